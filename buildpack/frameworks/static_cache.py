"""Keeps what collectstatic wrote, for the next build in which it would write the same.

Importing Django and copying files is most of what an unchanged rebuild would take, and the edit of
a view changes nothing of it. It is skipped when all that a run could tell apart is the same: the
app's packages, its config vars, the name of every file of it, and the content of every file that
the last run, or any program that it started, had opened (opened_files.py). Where the kernel does
not say which those were, it is every file. And the last run must have done nothing but add files
to the build directory: one that changed other files, or wrote nothing here because the files go to
a remote store, is always repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from buildpack.cache import mark_used
from buildpack.frameworks.opened_files import NOT_WATCHED
from buildpack.support import files
from buildpack.support.values import value

Snapshot = Mapping[str, tuple[int, int, int]]
READ = "read.json"
_CACHED = "__pycache__/"


@value
class StaticCache:
    """What was collected in one app, whose files are called ``names``.

    Each entry of ``directory`` that begins with ``key`` is of an app with these names; the rest of
    its own name is the digest of what was read of it.
    """

    directory: Path
    key: str
    build_dir: Path
    names: frozenset[str]

    def restore(self) -> int:
        """Put the files back; returns how many, 0 when there are none."""
        home = next((entry for entry in self._entries() if self._is_as_read(entry)), None)
        if home is None:
            return 0
        import shutil

        source = home / "files"
        names = sorted(snapshot(source))
        for name in names:
            target = self.build_dir / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target)
        mark_used(home)
        return len(names)

    def save(self, before: Snapshot, opened: frozenset[str] | None) -> None:
        """Keep what was added since ``before``, if nothing else happened.

        ``opened`` are the files a program opened meanwhile; None where nobody knows.
        """
        after = snapshot(self.build_dir)
        added = sorted(after.keys() - before.keys())
        if not added or any(after.get(name) != facts for name, facts in before.items()):
            return
        import shutil

        known = self.names if opened is None else with_sources(opened)
        read = sorted(known & self.names)
        try:
            home = self.directory / f"{self.key}-{contents_digest(self.build_dir, read)}"
        except PermissionError:
            return  # what cannot be read cannot be compared either
        with files.publishing_dir(home) as temporary:
            (temporary / READ).write_text(json.dumps(read))
            for name in added:
                target = temporary / "files" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.build_dir / name, target)

    def _entries(self) -> list[Path]:
        if not self.directory.is_dir():
            return []
        names = sorted(os.listdir(self.directory))  # noqa: PTH208 - names alone
        return [self.directory / name for name in names if name.startswith(f"{self.key}-")]

    def _is_as_read(self, entry: Path) -> bool:
        """Whether what was read when ``entry`` was made is the same in the app as it is now."""
        try:
            read = json.loads((entry / READ).read_bytes())
            digest = contents_digest(self.build_dir, read)
        except (OSError, ValueError):
            return False
        return entry.name == f"{self.key}-{digest}"


def static_cache(
    cache_dir: Path, build_dir: Path, *, venv_name: str, manage_py: str, env: Mapping[str, str]
) -> StaticCache:
    """The cache for this app as it is now, before collectstatic has run."""
    names = {name: _kind(build_dir / name) for name in _walk(build_dir)}
    facts = {
        "names": names,
        "venv": venv_name,
        "manage_py": manage_py,
        # Where this build happens differs from build to build, and decides nothing.
        "env": {
            k: v
            for k, v in sorted(env.items())
            if k not in {"PATH", "HOME", "TMPDIR"} and str(build_dir) not in v
        },
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return StaticCache(
        directory=cache_dir / "static",
        key=key,
        build_dir=build_dir,
        names=frozenset(name for name, kind in names.items() if kind in {"-", "x"}),
    )


def contents_digest(root: Path, names: Iterable[str]) -> str:
    """Of these files, each with its name."""
    digest = hashlib.sha256()
    for name in names:
        with (root / name).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(os.fsencode(name) + b"\0" + content)
    return digest.hexdigest()[:16]


def with_sources(opened: frozenset[str]) -> frozenset[str]:
    """These, and the modules whose bytecode is among them: Python asks for their size and time."""
    sources = set(opened)
    for name in opened:
        directory, _, base = name.rpartition("/")
        if base.endswith(".pyc"):
            above = f"{directory}/".removesuffix(_CACHED) if directory else ""
            sources.add(f"{above}{base.partition('.')[0]}.py")
    return frozenset(sources)


def _kind(path: Path) -> str:
    """Where a link leads, else whether a file may be run, and "other" for what is no file."""
    if path.is_symlink():
        return f"> {os.fsencode(path.readlink()).hex()}"
    if not path.is_file():
        return "other"
    return "x" if os.access(path, os.X_OK) else "-"


def _walk(root: Path) -> Iterator[str]:
    """Every file of the app, every link, and every directory without any."""
    top = len(str(root)) + 1
    for directory, names, filenames in os.walk(root):
        if directory == str(root):
            names[:] = [name for name in names if name not in NOT_WATCHED]
        links = [name for name in names if Path(directory, name).is_symlink()]
        for name in (*filenames, *links):
            yield f"{directory}/{name}"[top:]
        if not names and not filenames:
            yield f"{directory}/"[top:]


def snapshot(root: Path) -> Snapshot:
    """Every file of the app, with what changes when it is written to."""
    found: dict[str, tuple[int, int, int]] = {}
    top = len(str(root)) + 1
    for directory, names, filenames in os.walk(root):
        if directory == str(root):
            names[:] = [name for name in names if name not in NOT_WATCHED]
        for name in filenames:
            path = f"{directory}/{name}"
            facts = os.lstat(path)
            found[path[top:]] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return found
