"""Makes a virtualenv from the last one: only what differs is installed, removed and compiled.

uv looks at the .dist-info directories alone. So it is given a stand-in that holds no more than
those; what it adds and removes there is then done to trees that are linked meanwhile.

What comes out must be, byte for byte, what a fresh installation gives. So it is done only where
nothing but the requirements has changed, and given up wherever equality is in doubt: files that
two distributions share, empty directories, other hashes, packages of the app itself, sources from
version control, leftovers. Then everything is installed anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from buildpack.bytecode import is_in_test_suite
from buildpack.cache_key import VenvFacts
from buildpack.installers.base import Dependencies
from buildpack.installers.requirements import requirement_texts
from buildpack.installers.yanked import FILE as YANKED
from buildpack.support import files
from buildpack.support.linking import Listing, link_listed, list_tree
from buildpack.support.names import normalized
from buildpack.support.values import NOTHING, value
from buildpack.venv import Venv, create_venv

LOCKED = "the locked requirements"
HASHED = re.compile(r"\s*(?P<name>[A-Za-z0-9._-]+)[^#]*?\s--hash\b(?P<hashes>.*)")
HASHES_FILE = "hashes.json"
"""Beside a virtualenv: which files of each package its requirements allowed."""


@value
class Delta:
    """The distributions that came and went, by the names of their .dist-info directories."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def is_comparable(last: Mapping[str, str], facts: VenvFacts, dependencies: Dependencies) -> bool:
    """Whether nothing but what is required has changed, and uv alone installs it."""
    if not last or not dependencies.is_one_run or dependencies.local_paths:
        return False
    names = {*last, *facts.facts}
    differing = {name for name in names if last.get(name) != facts.facts.get(name)}
    return all(name.startswith("file ") or name == LOCKED for name in differing)


def allowed_hashes(dependencies: Dependencies) -> dict[str, str]:
    """A digest of the hashes that each package may have, by its name."""
    found: dict[str, list[str]] = {}
    for text in requirement_texts(dependencies).values():
        for match in filter(None, map(HASHED.match, text.replace("\\\n", " ").splitlines())):
            found.setdefault(normalized(match["name"]), []).extend(match["hashes"].split())
    return {
        name: hashlib.sha256(" ".join(sorted(hashes)).encode()).hexdigest()[:16]
        for name, hashes in found.items()
    }


def write_hashes(home: Path, dependencies: Dependencies) -> None:
    """For the build that makes its virtualenv from the one in ``home``."""
    if dependencies.is_one_run and (hashes := allowed_hashes(dependencies)):
        files.write_whole(home / HASHES_FILE, json.dumps(hashes, sort_keys=True))


def have_other_hashes(home: Path, dependencies: Dependencies, kept: Iterable[str]) -> bool:
    """Whether another file may be asked for than the one that is there, of the same version."""
    now = allowed_hashes(dependencies)
    try:
        last = json.loads((home / HASHES_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        last = {}
    names = {normalized(name.partition("-")[0]) for name in kept}
    return any(now.get(name) != last.get(name) for name in names)


def read_installed(
    venv: Venv, known: Mapping[str, frozenset[str]] = NOTHING
) -> dict[str, frozenset[str]] | None:
    """Every distribution with the paths in its RECORD, if that is not ``known``; None where one is
    not from an index."""
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
        found[name] = known.get(name) or _recorded(record)
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


def make_stand_in(last: Venv, root: Path, names: Iterable[str], *, home: Path) -> Venv:
    """A virtualenv with nothing of the last one but the .dist-info directories ``names``."""
    venv = create_venv(root, last.version, home=home)
    if (last.root / YANKED).exists():
        os.link(last.root / YANKED, venv.root / YANKED)
    for name in names:
        files.link_tree(last.site_packages / name, venv.site_packages / name)
    return venv


def list_added(stand_in: Venv, kept: Iterable[str]) -> Listing:
    """All that lies in it, but for what it was made with."""
    site_packages = os.fsencode(stand_in.site_packages.relative_to(stand_in.root))
    tops = {site_packages + b"/" + os.fsencode(name) for name in kept}
    deep = site_packages.count(b"/") + 2
    own = {os.fsencode(name) for name in stand_in.own_files}
    return tuple(
        (directory, tuple(name for name in names if _joined(directory, name) not in own))
        for directory, names in list_tree(str(stand_in.root))
        if b"/".join(directory.split(b"/")[:deep]) not in tops
    )


def has_empty_directory(listing: Listing) -> bool:
    """Whether a distribution brought one: no RECORD says which, so it cannot be taken away."""
    parents = {directory.rpartition(b"/")[0] for directory, _ in listing}
    return any(not names and directory not in parents for directory, names in listing)


def make_new(tree: Venv, gone: Iterable[str], stand_in: Venv, added: Listing) -> frozenset[bytes]:
    """Turn a tree of the last virtualenv into one of the new; the names that it lost."""
    lost = clear_away(tree, [f"{os.path.relpath(tree.root, tree.site_packages)}/{YANKED}", *gone])
    # A name that is there already is an error: then it is not what we take it for.
    link_listed(str(stand_in.root), str(tree.root), added)
    return lost


def clear_away(venv: Venv, gone: Iterable[str]) -> frozenset[bytes]:
    """Remove the files ``gone``, their bytecode, and the directories that are empty then.

    ``gone`` are names from site-packages; those of all that was there come back, from the top.
    """
    root, top, own = str(venv.site_packages), str(venv.root), venv.own_files
    directories, removed = set(), set()
    for name in gone:
        path = os.path.normpath(f"{root}/{name}")
        if not path.startswith(f"{top}/") or path[len(top) + 1 :] in own:
            continue  # nothing outside was ever installed, and nobody brought what is our own
        parent, base = os.path.split(path)
        paths = {path, _bytecode(path, venv)} if base.endswith(".py") else {path}
        removed |= {each for each in paths if _is_unlinked(each)}
        directories |= {parent, f"{parent}/__pycache__"}
    while directories:
        emptied = {path for path in directories if path != root and _is_removed(path)}
        removed |= emptied
        directories = {up for path in emptied if (up := os.path.dirname(path)) > top}  # noqa: PTH120
    return frozenset(os.fsencode(path[len(top) + 1 :]) for path in removed)


def listed_anew(last: Listing, lost: Collection[bytes], added: Listing) -> Listing:
    """The listing of the new tree: to list it takes as long as all the rest."""
    found = {
        directory: {name for name in names if _joined(directory, name) not in lost}
        for directory, names in last
        if directory not in lost
    }
    for directory, names in added:
        found.setdefault(directory, set()).update(names)
    in_order = sorted(found, key=lambda directory: directory.split(b"/"))
    return tuple((directory, tuple(sorted(found[directory]))) for directory in in_order)


def _joined(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _bytecode(path: str, venv: Venv) -> str:
    parent, base = os.path.split(path)
    return f"{parent}/__pycache__/{base[:-3]}.cpython-{venv.version.series.replace('.', '')}.pyc"


def _is_unlinked(path: str) -> bool:
    try:
        os.unlink(path)  # noqa: PTH108 - thousands of them
    except (FileNotFoundError, NotADirectoryError):
        return False  # a test suite's bytecode, or a file that did not compile
    return True


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
