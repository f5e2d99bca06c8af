"""poetry.lock: is it as new as pyproject.toml, and which packages does it want where?"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from buildpack.installers.locks.lock_changes import (
    Dependency,
    Locked,
    find_changes,
    parse_dependency,
)
from buildpack.installers.locks.lock_errors import InexactLockError, UnexplainedLockError
from buildpack.installers.locks.lock_graph import GraphPackage, GraphProblemsError, reachable
from buildpack.installers.locks.lock_markers import (
    NEVER,
    Marker,
    MarkerSyntaxError,
    either,
    parse_marker,
)
from buildpack.installers.locks.poetry_project import MAIN, PoetryProject, read_dependency
from buildpack.installers.locks.project_errors import (
    Difference,
    LockOutOfSyncError,
    LockVersionError,
)
from buildpack.installers.locks.project_file import Table, strings, table, tables, text_of
from buildpack.support.names import normalized

LOCK, PYPROJECT, COMMAND = "poetry.lock", "pyproject.toml", "poetry lock"
EXACT_FORMAT = (2, 1)
"""Since Poetry 2.0, every package says for which groups and where it is locked."""

HASH_WITH_GROUPS = (2, 3)
"""Since this Poetry, [dependency-groups] counts for the hash."""


def lock_format(lock: Table) -> tuple[int, ...]:
    """The format's version. Raises for those no current Poetry reads."""
    text = text_of(table(lock, "metadata").get("lock-version"))
    found = _numbers(text)
    if not (1,) <= found < (3,):
        raise LockVersionError(LOCK, text or "not given", "1.0 to 2.1", COMMAND)
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def check_fresh(project: PoetryProject, lock: Table, first_line: str) -> None:
    """Raise, with what differs, unless ``lock`` was written for this pyproject.toml."""
    locked = text_of(table(lock, "metadata").get("content-hash"))
    if locked == project.content_hash(with_groups=True):
        return
    writer = re.search(r"Poetry (\d\S*)", first_line)
    is_old = writer is not None and _numbers(writer[1]) < HASH_WITH_GROUPS
    if is_old and locked == project.content_hash(with_groups=False):
        return
    changes = find_differences(project, lock)
    if not changes:
        raise UnexplainedLockError(LOCK, PYPROJECT, COMMAND)
    raise LockOutOfSyncError(LOCK, PYPROJECT, changes, COMMAND)


def find_differences(project: PoetryProject, lock: Table) -> Sequence[Difference]:
    """Every dependency whose locked version does not fit, or that only one side has."""
    packages = tables(lock.get("package"))
    locked: dict[str, list[Locked]] = {}
    names = {_name(package) for package in packages}
    for package in packages:
        locked.setdefault(_name(package), []).append(_locked(package, names))
    needed = {normalized(name) for package in packages for name in table(package, "dependencies")}
    groups = {name: tuple(project.dependencies(name)) for name in project.groups()}
    wanted = [dependency for found in groups.values() for dependency in found]
    changes = find_changes(wanted, locked, names - needed)
    return [*_python_change(project, lock), *changes, *_group_changes(groups, packages)]


def _locked(package: Table, names: Collection[str]) -> Locked:
    """An extra came along if something that it brings is among the locked ``names``."""
    source = table(package, "source")
    kind = text_of(source.get("type"))
    extras = _extras(package)
    return Locked(
        version=text_of(package.get("version")),
        source="" if kind == "legacy" else f"{kind} {text_of(source.get('url'))}".strip(),
        has_extra=lambda extra: not extras.get(extra) or not extras[extra].isdisjoint(names),
    )


def _extras(package: Table) -> Mapping[str, set[str]]:
    return {
        normalized(extra): {parse_dependency(_bare(text)).name for text in strings(names)}
        for extra, names in table(package, "extras").items()
    }


def _python_change(project: PoetryProject, lock: Table) -> Iterator[Difference]:
    own = text_of(table(project.poetry, "dependencies").get("python"))
    wanted = text_of(project.project.get("requires-python")) or own
    locked = text_of(table(lock, "metadata").get("python-versions"))
    if wanted and wanted.replace(" ", "") != locked.replace(" ", ""):
        yield Difference(name="Python", wanted=f"Python {wanted}", locked=f"Python {locked}")


def _group_changes(
    groups: Mapping[str, Sequence[Dependency]], packages: Sequence[Table]
) -> Iterator[Difference]:
    locked: dict[str, set[str]] = {}
    for package in packages:
        if "groups" in package:
            names = {normalized(group) for group in strings(package["groups"])}
            locked.setdefault(_name(package), set()).update(names)
    for group, dependencies in groups.items():
        for name in sorted({dependency.name for dependency in dependencies}):
            if group not in locked.get(name, {group}):
                has = ", ".join(sorted(locked[name]))
                yield Difference(
                    name=name, wanted=f"{name} in group {group}", locked=f"{name} in group {has}"
                )


def wanted_packages(
    project: PoetryProject, lock: Table, groups: Collection[str], extras: Collection[str]
) -> Sequence[tuple[Table, Marker]]:
    """The locked packages of these groups and extras, each with where it is wanted."""
    packages = tables(lock.get("package"))
    try:
        if lock_format(lock) >= EXACT_FORMAT:
            markers = {n: _marker(p, groups, frozenset(extras)) for n, p in enumerate(packages)}
        else:
            markers = dict(_walk(project, packages, groups, frozenset(extras)))
    except GraphProblemsError as err:
        raise InexactLockError(LOCK, err.problems, COMMAND) from err
    except MarkerSyntaxError as err:
        raise InexactLockError(LOCK, [f"{LOCK}: this is no marker: {err}"], COMMAND) from err
    return [(packages[n], marker) for n, marker in sorted(markers.items()) if marker != NEVER]


def _marker(package: Table, groups: Collection[str], extras: frozenset[str]) -> Marker:
    """Where one of ``groups`` wants the package: one marker for all groups, or one for each."""
    locked = package.get("markers", "")
    each = {normalized(name): text_of(table(locked)[name]) for name in table(locked)}
    chosen = {normalized(name) for name in strings(package.get("groups"))}.intersection(groups)
    texts = (text_of(locked) or each.get(group, "") for group in chosen)
    return either(parse_marker(text, extras) for text in texts)


def _walk(
    project: PoetryProject,
    packages: Sequence[Table],
    groups: Collection[str],
    extras: frozenset[str],
) -> Mapping[int, Marker]:
    of_extras = {name for extra in extras for name in project.extras().get(extra, ())}
    roots = [
        (dependency, parse_marker(dependency.marker, extras))
        for group in groups
        for dependency in project.dependencies(group)
        if not (group == MAIN and dependency.is_optional) or dependency.name in of_extras
    ]
    return reachable(roots, [_graph_package(package) for package in packages])


def _graph_package(package: Table) -> GraphPackage:
    found = [
        dependency
        for name, value in table(package, "dependencies").items()
        for dependency in read_dependency(name, value)
    ]
    return GraphPackage(
        name=_name(package),
        version=text_of(package.get("version")),
        dependencies=tuple(x for x in found if not x.is_optional),
        extras={
            extra: tuple(x for x in found if x.is_optional and x.name in names)
            for extra, names in _extras(package).items()
        },
    )


def _bare(text: str) -> str:
    """Only the name: older Poetry wrote its own constraints here, not those of PEP 508."""
    return re.split(r"[\s(\[;<>=!~@]", text, maxsplit=1)[0]


def _name(package: Table) -> str:
    return normalized(text_of(package.get("name")))
