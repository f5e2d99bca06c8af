"""What CACHE_DIR holds between builds: complete trees under names that say what is in them.

A name is a digest of everything that decides the content, so nothing in the cache is ever stale:
it is either what this build needs, or it is left alone until it is reaped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from buildpack.support.deletion import remove_tree
from buildpack.support.output import Output

BYTECODE_FORMAT = 3
"""Of the bundles in bytecode/; part of the name of every tree that holds any."""

KEPT = {
    "runtimes": 3,
    "venvs": 3,
    "bytecode": 400,
    "static": 3,
    "nltk": 2,
    "locks": 20,
    "pip-tools": 3,
}
"""Entries of each kind that outlive a build, the most recently used ones."""

_DIGITS = frozenset("0123456789abcdef-")
_SHORTEST_KEY = 16


OTHERS = ("tools", "uv", "pip", "pip-compile", "head-start", "last-venv.json", "last-python.json")
"""What we leave beside them. Whatever else is in the directory is another buildpack's."""


def clear_cache(cache_dir: Path) -> None:
    """Forget all that our earlier builds left, but for the reports on them."""
    for name in (*KEPT, *OTHERS):
        remove_tree(cache_dir / name)


def mark_used(entry: Path) -> None:
    """So that reaping leaves it alone."""
    os.utime(entry)


def set_aside(entry: Path) -> Path:
    """Take an entry out of the cache for what it can be made into; it is reaped like what a killed
    build left. OSError if an earlier one is not reaped yet."""
    return entry.rename(entry.with_name(f".{entry.name}.aside"))


def next_tick(cache_dir: Path) -> int:
    """A time of modification, in nanoseconds: all that is written in ``cache_dir`` from now on has
    this or a later one, and nothing before. Files that are written within a few milliseconds, or in
    the same two seconds on some file systems, may have the same."""
    deadline = time.monotonic() + 2
    last = _touched(cache_dir / "lock")
    while (now := _touched(cache_dir / "lock")) == last and time.monotonic() < deadline:
        time.sleep(0.001)
    return now


def _touched(path: Path) -> int:
    path.touch()
    return path.stat().st_mtime_ns


def discard_if_written(cache_dir: Path, trees: Iterable[Path], since_ns: int, out: Output) -> None:
    """Throw cached trees away when the app's hook wrote into files that they share.

    The build directory has hard links to the cache. Replacing a file is fine; writing into one
    changes the cache, and uv's too, for every build to come.
    """
    written = next((name for tree in trees for name in _written_since(tree, since_ns)), None)
    if written is None:
        return
    out.info(f"bin/post_compile wrote into {written.name}: the cache is made anew next time.")
    for kind in ("runtimes", "venvs", "uv"):
        remove_tree(cache_dir / kind)


def _written_since(tree: Path, since_ns: int) -> Iterable[Path]:
    for directory, _, filenames in os.walk(tree):
        for name in filenames:
            if os.lstat(f"{directory}/{name}").st_mtime_ns >= since_ns:
                yield Path(directory, name)


def reap(cache_dir: Path) -> None:
    """Delete what has not been used for longest, and what a killed build left half done.

    Called once the build is done, with the cache locked: nobody else is filling a directory. What
    has another name than ours may be another buildpack's, which has the same CACHE_DIR.
    """
    for kind, kept in KEPT.items():
        directory = cache_dir / kind
        if directory.is_dir():
            names = sorted(os.listdir(directory))  # noqa: PTH208 - names, not paths
            unfinished = [directory / name for name in names if name.startswith(".")]
            entries = sorted(
                (directory / name for name in names if _is_key(name)),
                key=lambda entry: entry.lstat().st_mtime,
                reverse=True,
            )
            for entry in (*unfinished, *entries[kept:]):
                remove_tree(entry)


def _is_key(name: str) -> bool:
    """Whether it is a digest, or two."""
    return len(name) >= _SHORTEST_KEY and _DIGITS.issuperset(name)
