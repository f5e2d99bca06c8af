"""Compares uv.lock with the pyproject.toml files it was made from, without uv.

uv writes into the lock what it read: for each local package the requirements of its pyproject.toml
("requires-dist", "requires-dev"). Those parts alone are parsed, because the whole file is mostly
addresses and hashes. What is said to differ does; what is not seen here (an index, a setting)
``uv sync --locked`` still refuses.
"""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Iterator, Mapping, Sequence

from buildpack.hostile_text import loads_toml
from buildpack.installers.locks.lock_changes import parse_dependency
from buildpack.installers.locks.lock_errors import naming_mistakes
from buildpack.installers.locks.project_errors import Difference
from buildpack.installers.locks.project_file import (
    Project,
    Table,
    broken_toml,
    check_text,
    parse_toml,
    strings,
    table,
    tables,
    text_of,
)
from buildpack.installers.locks.requirement_compare import Wish, compare, source_of
from buildpack.support.names import normalized
from buildpack.support.values import value
from buildpack.versions.python_specifier import SpecifierError, parse_specifier

REMEDY = "Write it again:\n\n    uv lock"
PACKAGE = "\n[[package]]\n"
LOCAL_KINDS = ("editable", "virtual", "directory", "path")
LOCAL_SOURCES = tuple(f"source = {{ {kind} = " for kind in LOCAL_KINDS)
FORMAT = 1


@value
class LocalPackage:
    """A package in the lock that lies in the app's source."""

    name: str
    version: str
    kind: str
    path: str
    metadata: Table


@value
class UvLock:
    """The parts of a uv.lock that say what it was made from."""

    file: str
    format: object
    requires_python: str
    manifest: Table
    local: tuple[LocalPackage, ...]

    @property
    def members(self) -> frozenset[str]:
        """The packages of the workspace, by name; for a single project, the project."""
        named = strings(self.manifest.get("members"))
        root = (package.name for package in self.local if package.path == ".")
        return frozenset(normalized(name) for name in (*named, *root))


def parse_uv_lock(name: str, text: str, *, remedy: str = REMEDY) -> UvLock:
    """Read ``text``; raises where it was left by a merge, or is not TOML in what is read of it."""
    check_text(name, text, remedy=remedy)
    head, *packages = text.replace("\r\n", "\n").split(PACKAGE)
    local = [part for part in packages if _is_local(part)]
    try:
        header = loads_toml(head)
        found = [table(tables(loads_toml(f"[[package]]\n{part}")["package"])[0]) for part in local]
    except tomllib.TOMLDecodeError as err:
        parse_toml(name, text, remedy=remedy)  # All of it: for the line in the file.
        raise broken_toml(name, str(err), remedy) from err
    return UvLock(
        file=name,
        format=header.get("version"),
        requires_python=text_of(header.get("requires-python")),
        manifest=table(header, "manifest"),
        local=tuple(_local(package) for package in found),
    )


def _is_local(part: str) -> bool:
    """Does the source of this package, three lines below its name, lie in the app?"""
    start = part.find("source = ")
    return part.startswith(LOCAL_SOURCES, start) if start >= 0 else False


def _local(package: Table) -> LocalPackage:
    source = table(package, "source")
    kind = next((kind for kind in LOCAL_KINDS if kind in source), "")
    return LocalPackage(
        name=text_of(package.get("name")),
        version=text_of(package.get("version")),
        kind=kind,
        path=posixpath.normpath(text_of(source.get(kind)) or "."),
        metadata=table(package, "metadata"),
    )


def differences(
    lock: UvLock, root: Project, members: Mapping[str, Project]
) -> tuple[Difference, ...]:
    """Where the lock differs from the projects; ``members`` by their path, the root's is "."."""
    found = list(_manifest_differences(lock, root))
    if len(lock.members) <= 1:
        found += _python_differences(lock, root)
    for package in lock.local:
        project = members.get(package.path)
        if project is not None and project.has_project:
            is_member = normalized(package.name) in lock.members
            found += _package_differences(package, project, root if is_member else project)
    locked_names = {normalized(package.name) for package in lock.local}
    if root.name and normalized(root.name) not in locked_names:
        found.append(_difference("name of the project", "", f"the project {root.name}"))
    return tuple(found)


def _difference(name: str, locked: str, wanted: str) -> Difference:
    return Difference(name=name, locked=locked, wanted=wanted)


def _python_differences(lock: UvLock, root: Project) -> Iterator[Difference]:
    wanted, locked = root.requires_python, lock.requires_python
    if not wanted or wanted.replace(" ", "") == locked.replace(" ", ""):
        return
    # uv may write a specifier another way: only what admits other versions differs.
    versions = [(3, minor, patch) for minor in range(6, 18) for patch in (0, 1, 5, 99)]
    try:
        one, other = parse_specifier(wanted), parse_specifier(locked)
        is_same = [one(x) for x in versions] == [other(x) for x in versions]
    except SpecifierError:
        is_same = False  # The project's own was checked: nobody's uv wrote such a lock.
    if not is_same:
        yield _difference("requires-python", locked, wanted)


def _package_differences(
    package: LocalPackage, project: Project, root: Project
) -> Iterator[Difference]:
    label = "" if package.path == "." else f"{project.name}: "
    if project.version and package.version and package.version != project.version:
        from packaging.version import InvalidVersion, Version

        try:
            is_same = Version(package.version) == Version(project.version)
        except InvalidVersion:
            is_same = False
        if not is_same:
            yield _difference(f"version of {project.name}", package.version, project.version)
    if (
        package.kind in {"virtual", "editable"}
        and (package.kind == "editable") != project.is_package
    ):
        shown = ("no package", "a package")
        is_locked = package.kind != "virtual"
        yield _difference(project.name, shown[is_locked], shown[project.is_package])
    if not project.dynamic.intersection({"dependencies", "optional-dependencies"}):
        wanted = [*_wishes(project.dependencies, project, root, extra="")]
        for extra, requirements in project.extras.items():
            wanted += _wishes(requirements, project, root, extra=extra)
        locked = [_locked_wish(x) for x in tables(package.metadata.get("requires-dist"))]
        yield from compare(locked, wanted, project.requires_python, label=label)
    yield from _group_differences(
        table(package.metadata, "requires-dev"), project, root, label=label
    )


def _group_differences(
    locked: Table, project: Project, root: Project, *, label: str
) -> Iterator[Difference]:
    if "dependency-groups" in project.uv:
        return  # A group with a requires-python of its own: its markers are uv's business.
    found = {normalized(name): tables(entries) for name, entries in locked.items()}
    for group in sorted({*found, *project.groups}):
        wanted = [*_wishes(project.groups.get(group, ()), project, root, extra="")]
        known = [_locked_wish(x) for x in found.get(group, ())]
        where = f"{label}group {group}: "
        yield from compare(known, wanted, project.requires_python, label=where)


def _manifest_differences(lock: UvLock, root: Project) -> Iterator[Difference]:
    for key, setting in (
        ("constraints", "constraint-dependencies"),
        ("overrides", "override-dependencies"),
    ):
        wanted = [*_wishes(strings(root.uv.get(setting)), root, root, extra="")]
        locked = [_locked_wish(x) for x in tables(lock.manifest.get(key))]
        if all(isinstance(x, str) for x in _list(root.uv.get(setting))):
            yield from compare(locked, wanted, "", label=f"{setting}: ")
    if not root.has_project:
        groups = table(lock.manifest, "dependency-groups")
        yield from _group_differences(groups, root, root, label="")


def script_differences(
    lock: UvLock, requirements: Sequence[str], uv: Table
) -> tuple[Difference, ...]:
    """As ``differences``, for the lock beside a script."""
    script = Project(file="", uv=uv)
    wanted = [*_wishes(requirements, script, script, extra="")]
    locked = [_locked_wish(x) for x in tables(lock.manifest.get("requirements"))]
    return tuple(compare(locked, wanted, ""))


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _wishes(
    requirements: Sequence[str], project: Project, root: Project, *, extra: str
) -> Iterator[Wish]:
    for text in requirements:
        with naming_mistakes(project.file or root.file):
            dependency = parse_dependency(text)
        marker = dependency.marker
        if extra:
            condition = f"extra == '{extra}'"
            marker = f"({marker}) and {condition}" if marker else condition
        source = _source(dependency.name, dependency.source, project, root)
        has_versions = source == "registry"
        yield Wish(
            name=dependency.name,
            extras=frozenset(dependency.extras),
            specifier=dependency.alternatives[0] if has_versions else "",
            source=source,
            marker=marker,
        )


def _source(name: str, url: str, project: Project, root: Project) -> str:
    if url:
        return "git" if url.startswith("git+") else "local" if url.startswith("file:") else "url"
    for uv in (project.uv, root.uv):
        for key, source in table(uv, "sources").items():
            if normalized(key) == name:
                return source_of(source)
    return "registry"


def _locked_wish(entry: Table) -> Wish:
    kinds = {**dict.fromkeys(LOCAL_KINDS, "local"), "git": "git", "url": "url"}
    source = next((kinds[kind] for kind in kinds if kind in entry), "registry")
    extras = strings(entry.get("extras")) or strings([entry.get("extra")])
    return Wish(
        name=normalized(text_of(entry.get("name"))),
        extras=frozenset(normalized(x) for x in extras),
        specifier=text_of(entry.get("specifier")) if source == "registry" else "",
        source=source,
        marker=text_of(entry.get("marker")),
    )
