"""pdm.lock: is it as new as pyproject.toml, and which packages does it want where?"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from buildpack.installers.locks.lock_changes import Dependency, Locked, find_changes
from buildpack.installers.locks.lock_errors import InexactLockError, UnexplainedLockError
from buildpack.installers.locks.lock_graph import GraphPackage, GraphProblemsError, reachable
from buildpack.installers.locks.lock_markers import Marker, MarkerSyntaxError, parse_marker
from buildpack.installers.locks.pdm_project import PdmProject, extras_key, read_requirement
from buildpack.installers.locks.project_errors import (
    Difference,
    LockOutOfSyncError,
    LockVersionError,
    UnsupportedEnvironmentError,
)
from buildpack.installers.locks.project_file import Table, strings, table, tables, text_of
from buildpack.support.names import normalized

LOCK, PYPROJECT, COMMAND = "pdm.lock", "pyproject.toml", "pdm lock"
LINUX = re.compile(r"linux|manylinux|musllinux")


def check_format(lock: Table) -> None:
    """Raise for formats that the current PDM does not read either, and for other systems."""
    text = text_of(table(lock, "metadata").get("lock_version"))
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if not (4,) <= numbers <= (4, 5):
        raise LockVersionError(LOCK, text or "not given", "4.0 to 4.5", COMMAND)
    targets = tables(table(lock, "metadata").get("targets"))
    platforms = [text_of(target.get("platform")) for target in targets]
    if platforms and all(name and not LINUX.match(name) for name in platforms):
        raise UnsupportedEnvironmentError(LOCK, platforms)


def check_fresh(project: PdmProject, lock: Table) -> None:
    """Raise, with what differs, unless ``lock`` was written for this pyproject.toml."""
    metadata = table(lock, "metadata")
    algorithm, _, digest = text_of(metadata.get("content_hash")).partition(":")
    if algorithm == "sha256" and digest == project.content_hash():
        return
    changes = find_differences(project, lock)
    if changes:
        raise LockOutOfSyncError(LOCK, PYPROJECT, changes, COMMAND)
    # With "lock_inputs" PDM too asks only whether what is locked still fits.
    if "lock_inputs" not in metadata:
        raise UnexplainedLockError(LOCK, PYPROJECT, COMMAND)


def find_differences(project: PdmProject, lock: Table) -> Sequence[Difference]:
    """Every dependency whose locked version does not fit, or that only one side has."""
    packages = tables(lock.get("package"))
    locked: dict[str, list[Locked]] = {}
    needed = set()
    keys = {(_name(package), extras_key(strings(package.get("extras")))) for package in packages}
    for package in packages:
        found = locked.setdefault(_name(package), [])
        if text_of(package.get("version")) not in {x.version for x in found}:
            found.append(_locked(package, keys))
        needed |= {x.name for x in _needs(package)}
    groups = locked_groups(project, lock)
    wanted = [dependency for group in groups for dependency in project.dependencies(group)]
    changes = find_changes(wanted, locked, set(locked) - needed)
    return [*_python_change(project, lock), *changes]


def _locked(package: Table, keys: Collection[tuple[str, str]]) -> Locked:
    """A package with extras is an entry of its own, beside the one without."""
    places = {"git": "git ", "url": "url ", "path": "path "}
    return Locked(
        version=text_of(package.get("version")),
        source=next((word for key, word in places.items() if key in package), ""),
        has_extra=lambda extra: (_name(package), extra) in keys,
    )


def _python_change(project: PdmProject, lock: Table) -> Iterator[Difference]:
    wanted = text_of(project.project.get("requires-python"))
    targets = tables(table(lock, "metadata").get("targets"))
    locked = {text_of(target.get("requires_python")) for target in targets}
    if wanted and len(locked) == 1 and wanted not in locked:
        yield Difference(name="Python", wanted=f"Python {wanted}", locked=f"Python {locked.pop()}")


def locked_groups(project: PdmProject, lock: Table) -> Sequence[str]:
    """The project's groups that the lock covers; one that does not say covers all."""
    metadata = table(lock, "metadata")
    if not isinstance(metadata.get("groups"), list):
        return tuple(project.groups())
    covered = {normalized(name) for name in strings(metadata["groups"])}
    return [name for name in project.groups() if name in covered]


def wanted_packages(
    project: PdmProject, lock: Table, groups: Collection[str]
) -> Sequence[tuple[Table, Marker]]:
    """The locked packages of these groups, each with where it is wanted."""
    excluded = strings(table(project.pdm, "resolution").get("excludes"))
    names = {normalized(name) for name in excluded}
    packages = [x for x in tables(lock.get("package")) if _name(x) not in names]
    try:
        if "inherit_metadata" in strings(table(lock, "metadata").get("strategy")):
            return [
                (package, parse_marker(text_of(package.get("marker"))))
                for package in packages
                if set(groups).intersection(map(normalized, strings(package.get("groups"))))
            ]
        return _walk(project, packages, groups)
    except GraphProblemsError as err:
        raise InexactLockError(LOCK, err.problems, COMMAND) from err
    except MarkerSyntaxError as err:
        raise InexactLockError(LOCK, [f"{LOCK}: this is no marker: {err}"], COMMAND) from err


def _walk(
    project: PdmProject, packages: Sequence[Table], groups: Collection[str]
) -> Sequence[tuple[Table, Marker]]:
    plain = [package for package in packages if not package.get("extras")]
    roots = [(x, parse_marker(x.marker)) for group in groups for x in project.dependencies(group)]
    found = reachable(roots, [_graph_package(package, packages) for package in plain])
    return [(plain[position], marker) for position, marker in sorted(found.items())]


def _graph_package(package: Table, packages: Sequence[Table]) -> GraphPackage:
    def is_same(other: Table) -> bool:
        keys = ("version", "url", "path", "git")
        return _name(other) == _name(package) and all(
            other.get(key) == package.get(key) for key in keys
        )

    extras: Mapping[str, tuple[Dependency, ...]] = {
        extras_key(strings(other["extras"])): _needs(other)
        for other in packages
        if other.get("extras") and is_same(other)
    }
    return GraphPackage(
        name=_name(package),
        version=text_of(package.get("version")),
        dependencies=_needs(package),
        extras=extras,
    )


def _needs(package: Table) -> tuple[Dependency, ...]:
    return tuple(read_requirement(text) for text in strings(package.get("dependencies")))


def _name(package: Table) -> str:
    return normalized(text_of(package.get("name")))
