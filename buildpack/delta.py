"""Makes a virtualenv from the last one: only what differs is installed, removed and compiled.

What comes out must be, byte for byte, what a fresh installation gives. So it is done only where
nothing but the requirements has changed, and given up wherever equality is in doubt: files that
two distributions share, packages of the app itself, sources from version control, leftovers. Then
everything is installed anew. The last virtualenv stays as it was: its files are linked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from buildpack.bytecode import is_in_test_suite
from buildpack.cache_key import VenvFacts
from buildpack.installers.base import Dependencies
from buildpack.installers.requirements import requirement_texts
from buildpack.package_manager import PackageManager
from buildpack.support.values import value
from buildpack.venv import Venv

PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*==\s*[^\s*,;]+(?:\s+--hash=\S+)*")
LOCKED = "the locked requirements"


@value
class Delta:
    """The distributions that came and went, by the names of their .dist-info directories."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def is_comparable(last: Mapping[str, str], facts: VenvFacts, dependencies: Dependencies) -> bool:
    """Whether nothing but what is required has changed, and uv alone installs it."""
    is_uv = dependencies.requirements or dependencies.manager is PackageManager.PIP
    if not last or not is_uv or dependencies.local_paths:
        return False
    names = {*last, *facts.facts}
    differing = {name for name in names if last.get(name) != facts.facts.get(name)}
    return all(name.startswith("file ") or name == LOCKED for name in differing)


def exactly(dependencies: Dependencies, installed: Mapping[str, frozenset[str]]) -> Dependencies:
    """Have uv remove what is no longer required, and choose versions as in an empty virtualenv.

    Where every installed distribution is pinned there is nothing to choose.
    """
    from buildpack.support.values import changed

    pinned = {
        normalized(match["name"])
        for text in requirement_texts(dependencies).values()
        for line in text.replace("\\\n", " ").splitlines()
        if (match := PINNED.fullmatch(line.partition(" #")[0].strip()))
    }
    names = {normalized(name.partition("-")[0]) for name in installed}
    options = ("--exact",) if names <= pinned else ("--exact", "--upgrade")
    return changed(dependencies, options=(*dependencies.options, *options))


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_installed(venv: Venv) -> dict[str, frozenset[str]] | None:
    """Every distribution with the paths in its RECORD; None where one is not from an index."""
    found = {}
    for name in os.listdir(venv.site_packages):  # noqa: PTH208 - names alone
        if not name.endswith(".dist-info"):
            if name.endswith((".egg-info", ".egg-link")):
                return None
            continue
        home = venv.site_packages / name
        record = home / "RECORD"
        if not record.is_file() or (home / "direct_url.json").exists():
            return None
        found[name] = _recorded(record)
    return found


def _recorded(record: Path) -> frozenset[str]:
    import csv

    with record.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return frozenset(os.path.normpath(row[0]) for row in csv.reader(file) if row)


def have_shared_files(venv: Venv) -> bool:
    """Whether two distributions bring a file of the same name; the one linked last has won."""
    seen: set[str] = set()
    for record in venv.site_packages.glob("*.dist-info/RECORD"):
        paths = _recorded(record)
        if not seen.isdisjoint(paths):
            return True
        seen |= paths
    return False


def compare(
    before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> Delta | None:
    """What changed; None where a distribution that came or went shares files with another."""
    added = tuple(sorted(after.keys() - before.keys()))
    removed = tuple(sorted(before.keys() - after.keys()))
    for all_of, names in ((before, removed), (after, added)):
        for name in names:
            others = (paths for other, paths in all_of.items() if other != name)
            if any(not all_of[name].isdisjoint(paths) for paths in others):
                return None
    kept = [after[name] for name in after.keys() & before.keys()]
    gone: frozenset[str] = frozenset().union(*(before[name] for name in removed))
    if any(not gone.isdisjoint(paths) for paths in kept):
        return None
    return Delta(added=added, removed=removed)


def clear_away(venv: Venv, gone: frozenset[str], here: frozenset[str]) -> bool:
    """Remove what is left of distributions that went; False if any of their files is still there.

    ``here`` are the paths of all distributions that are installed now.
    """
    root = str(venv.site_packages)
    directories = set()
    for name in gone - here:
        path = os.path.join(root, name)  # noqa: PTH118 - thousands of them
        if os.path.lexists(path):
            return False
        parent, base = os.path.split(path)
        directories.add(parent)
        if base.endswith(".py"):
            _unlink(_bytecode(path, venv))
            directories.add(f"{parent}/__pycache__")
    top = str(venv.root)
    while directories:
        emptied = {path for path in directories if path != root and _is_removed(path)}
        directories = {up for path in emptied if (up := os.path.dirname(path)) > top}  # noqa: PTH120
    return True


def bring_back_bytecode(
    source: Venv, venv: Venv, gone: frozenset[str], kept: frozenset[str]
) -> None:
    """uv empties __pycache__ beside every module it removes: link again what is others' there."""
    shared = {os.path.dirname(path) for path in gone if path.endswith(".py")}  # noqa: PTH120
    for name in kept:
        if name.endswith(".py") and os.path.dirname(name) in shared:  # noqa: PTH120
            old = _bytecode(f"{source.site_packages}/{name}", venv)
            new = _bytecode(f"{venv.site_packages}/{name}", venv)
            if os.path.lexists(old) and not os.path.lexists(new):
                Path(new).parent.mkdir(exist_ok=True)
                os.link(old, new)


def _bytecode(path: str, venv: Venv) -> str:
    parent, base = os.path.split(path)
    return f"{parent}/__pycache__/{base[:-3]}.cpython-{venv.version.series.replace('.', '')}.pyc"


def _unlink(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108 - as above
    except (FileNotFoundError, NotADirectoryError):
        return  # a test suite's, or a file that did not compile


def _is_removed(path: str) -> bool:
    """Remove the directory if it is empty; whether it is gone, by us or before."""
    try:
        os.rmdir(path)  # noqa: PTH106 - as above
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True


def groups_of(
    venv: Venv, delta: Delta, after: Mapping[str, frozenset[str]]
) -> list[tuple[str, ...]]:
    """The source files of each distribution that came, as ``distribution_groups`` lists them."""
    groups = []
    for name in delta.added:
        sources = [
            path
            for path in after[name]
            if path.endswith(".py")
            and not path.startswith(("../", "/"))
            and "__pycache__" not in path.split("/")
            and not is_in_test_suite(path)
            and (venv.site_packages / path).is_file()
        ]
        if sources:
            groups.append(tuple(sorted(sources, key=os.fsencode)))
    return groups
