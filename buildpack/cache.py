"""What CACHE_DIR holds between builds: complete trees under names that say what is in them.

A name is a digest of everything that decides the content, so nothing in the cache is ever stale:
it is either what this build needs, or it is left alone until it is reaped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from buildpack.app import App, UnreadableFileError
from buildpack.bytecode import FORMAT
from buildpack.installers.requirements import installer_env
from buildpack.requirements_file import RequirementFiles
from buildpack.runtime.install import Runtime
from buildpack.support import files
from buildpack.support.output import Output
from buildpack.tools import tool_versions

LAYOUT = 1
KEPT = {"runtimes": 3, "venvs": 3, "bytecode": 400, "static": 3}
"""Entries of each kind that outlive a build, the most recently used ones."""


def venv_key(
    app: App, runtime: Runtime, requirements: RequirementFiles, env: Mapping[str, str]
) -> str:
    """Names the virtualenv these requirements give with this Python and these settings."""
    settings = installer_env(env)
    facts = {
        "layout": [LAYOUT, FORMAT],
        "python": [runtime.build_id, str(runtime.version)],
        "tools": dict(tool_versions()),
        "requirements": {
            name: hashlib.sha256(content).hexdigest()
            for name, content in requirements.contents.items()
        },
        "local": {path: path_digest(app.root, path) for path in requirements.local_paths()},
        # Which index answered decides what was installed; how long we waited for it does not.
        "index": {name: settings[name] for name in sorted(settings) if name in DECIDING_SETTINGS},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


DECIDING_SETTINGS = frozenset(
    {
        "UV_DEFAULT_INDEX",
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_NO_INDEX",
        "UV_INDEX_STRATEGY",
        "UV_EXCLUDE_NEWER",
        "UV_CONSTRAINT",
        "CFLAGS",
        "LDFLAGS",
    }
)


def path_digest(root: Path, name: str) -> str:
    """sha256 of a file or directory of the app: names, kinds, "may be run", contents."""
    digest = hashlib.sha256()
    for path in _walk(root / name):
        relative = os.fsencode(os.path.relpath(path, root))
        digest.update(relative + b"\0")
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()) + b"\0")
        elif path.is_file():
            digest.update(b"x" if os.access(path, os.X_OK) else b"-")
            digest.update(_file_digest(path, os.fsdecode(relative)))
    return digest.hexdigest()


def _file_digest(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as err:
        raise UnreadableFileError(name, f"the system says: {(err.strerror or '').lower()}") from err


def _walk(top: Path) -> Iterable[Path]:
    if not top.is_dir() or top.is_symlink():
        yield top
        return
    for directory, names, filenames in os.walk(top):
        names[:] = sorted(name for name in names if name not in {".heroku", ".git"})
        links = [name for name in names if Path(directory, name).is_symlink()]
        for name in sorted(filenames + links):
            yield Path(directory, name)


def mark_used(entry: Path) -> None:
    """So that reaping leaves it alone."""
    os.utime(entry)


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
        files.remove_tree(cache_dir / kind)


def _written_since(tree: Path, since_ns: int) -> Iterable[Path]:
    for directory, _, filenames in os.walk(tree):
        for name in filenames:
            if os.lstat(f"{directory}/{name}").st_mtime_ns >= since_ns:
                yield Path(directory, name)


def reap(cache_dir: Path) -> None:
    """Delete what has not been used for longest, once the build is done."""
    for kind, kept in KEPT.items():
        directory = cache_dir / kind
        if directory.is_dir():
            entries = sorted(
                (e for e in directory.iterdir() if not e.name.startswith(".")),
                key=lambda e: e.stat().st_mtime,
                reverse=True,
            )
            for entry in entries[kept:]:
                files.remove_tree(entry)
