"""Pipenv: installs what Pipfile.lock lists, as ``pipenv install --deploy`` does, without it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.installers.locks.local_sources import EXTRAS, GROUPS, check_local_paths, choose
from buildpack.installers.locks.lock_errors import (
    InexactLockError,
    LockedPythonVersionError,
    naming_mistakes,
)
from buildpack.installers.locks.lock_lines import (
    LockedPackage,
    PackageIndex,
    check_variables,
    git_target,
    is_public_index,
    normal_target,
    requirements_text,
)
from buildpack.installers.locks.lock_markers import ALWAYS, both, either, parse_marker
from buildpack.installers.locks.lock_reading import read_json, remedy
from buildpack.installers.locks.locked_dependencies import locked_dependencies
from buildpack.installers.locks.pipenv_lock import (
    CATEGORIES,
    COMMAND,
    LOCK,
    NO_CATEGORIES,
    PIPFILE,
    PUBLIC_SOURCE,
    check_fresh,
)
from buildpack.installers.locks.project_file import (
    Table,
    read_toml,
    strings,
    table,
    tables,
    text_of,
)
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings
from buildpack.support.errors import printable
from buildpack.support.names import normalized
from buildpack.support.values import changed

PYTHON_VERSION = {
    "python_full_version": re.compile(r"\d+\.\d+\.\d+"),
    "python_version": re.compile(r"\d+\.\d+(\.\d+)?"),
}
"""Fields of the [requires] table, the more exact one first, and what they may hold."""


@naming_mistakes(PIPFILE)
def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """What Pipfile.lock lists, after checking that it was written for this Pipfile."""
    lock = read_json(app, LOCK, remedy=remedy(LOCK, COMMAND))
    files = [LOCK]
    warnings: tuple[str, ...] = ()
    if app.has(PIPFILE):
        files.append(PIPFILE)
        check_fresh(read_toml(app, PIPFILE, remedy="Correct the file, then build again."), lock)
    else:
        warnings = ("There is no Pipfile, so nobody can tell whether Pipfile.lock is up to date.",)
    chosen = chosen_categories(lock, settings)
    packages, indexes = read_packages(lock, chosen, read_indexes(lock))
    check_local_paths(app, settings, LOCK, [p.target for p in packages if p.is_local])
    text = requirements_text(packages, indexes)
    check_variables(LOCK, text, env)
    return changed(
        locked_dependencies(app, PackageManager.PIPENV, files, packages, text),
        python_version=locked_python_version(lock),
        warnings=warnings,
        facts={"categories": ",".join(chosen)},
    )


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """Install the locked packages."""
    # Not needed by the many builds that find their virtualenv in the cache.
    from buildpack.installers.locks.lock_install import install_lock

    install_lock(dependencies, install, on_line)


def chosen_categories(lock: Table, settings: BuildSettings) -> tuple[str, ...]:
    """The tables of the lock to install from, in Pipenv's order."""
    choose(settings.extras, (), setting=EXTRAS, source=LOCK)
    known = [name for name in lock if name not in NO_CATEGORIES]
    names = {normalized(name): name for name in known}
    groups = [CATEGORIES.get(group, group) for group in settings.groups]
    wanted = choose(groups, known, setting=GROUPS, source=LOCK)
    test = ["develop"] if settings.is_test and "develop" in lock else []
    return tuple(dict.fromkeys(["default", *test, *(names[name] for name in wanted)]))


def locked_python_version(lock: Table) -> str:
    """The version in the lock's [requires]; "" where it has none."""
    requires = table(lock, "_meta", "requires")
    for field, pattern in PYTHON_VERSION.items():
        value = text_of(requires.get(field))
        if value in {"", "*"}:
            continue
        if not pattern.fullmatch(value):
            raise LockedPythonVersionError(LOCK, field, value, COMMAND)
        return value
    return ""


def read_indexes(lock: Table) -> Mapping[str, PackageIndex]:
    """The sources by name. The first is for packages that name none."""
    sources = tables(table(lock, "_meta").get("sources")) or (PUBLIC_SOURCE,)
    return {
        text_of(source.get("name")): PackageIndex(
            url=text_of(source.get("url")), is_trusted_blindly=source.get("verify_ssl") is False
        )
        for source in sources
    }


def read_packages(
    lock: Table, chosen: Iterable[str], indexes: Mapping[str, PackageIndex]
) -> tuple[Sequence[LockedPackage], Mapping[str, PackageIndex]]:
    """The packages of the chosen categories, and the indexes they come from."""
    found: dict[str, LockedPackage] = {}
    problems: list[str] = []
    for category in chosen:
        for name, entry in table(lock, category).items():
            try:
                package = read_entry(normalized(name), entry, indexes)
                earlier = found.get(package.name)
                found[package.name] = joined(earlier, package) if earlier else package
            except ValueError as err:
                problems.append(f"{LOCK}: {category}: {name}: {err}")
    if problems:
        raise InexactLockError(LOCK, problems, COMMAND)
    return list(found.values()), indexes


def joined(earlier: LockedPackage, later: LockedPackage) -> LockedPackage:
    """One package for two entries. Pipenv installs one category after the other."""
    if replace(earlier, marker=later.marker, hashes=later.hashes) == later:
        return replace(later, marker=either([earlier.marker, later.marker]))
    if later.marker != ALWAYS:
        message = "it is locked differently in another category, and it depends on a marker"
        raise InexactEntryError(f"{message} which of them counts.")
    return later


class InexactEntryError(ValueError):
    """An entry of the lock that leaves open what to install."""


def read_entry(name: str, entry: object, indexes: Mapping[str, PackageIndex]) -> LockedPackage:
    """One entry of one category."""
    values = table(entry) or {"version": text_of(entry)}
    index = text_of(values.get("index")) or next(iter(indexes))
    if index not in indexes:
        raise InexactEntryError(f"its index '{printable(index)}' is not among the sources.")
    markers = [text_of(values.get(key)) for key in ("markers", "os_markers")]
    marker = ALWAYS
    for text in markers:
        marker = both(marker, parse_marker(text))
    return LockedPackage(
        name=name,
        marker=marker,
        index="" if is_public_index(indexes[index].url) else index,
        is_editable=values.get("editable") is True,
        is_binary_refused=bool(values.get("no_binary")),
        **_origin(name, values),
    )


class _Origin(TypedDict, total=False):
    version: str
    target: str
    hashes: tuple[str, ...]


def _origin(name: str, values: Table) -> _Origin:
    for kind in ("hg", "svn", "bzr"):
        if kind in values:
            raise InexactEntryError(f"it comes from {kind}, of which only Pipenv knows how.")
    if values.get("pip_args"):
        raise InexactEntryError("it has pip_args, which only Pipenv understands.")
    if "git" in values:
        return {"target": _git_target(name, values)}
    for kind in ("path", "file", "url"):
        if kind in values:
            return {"target": normal_target(text_of(values[kind])), "hashes": _hashes(values)}
    version = text_of(values.get("version"))
    if version not in {"", "*"} and not version.startswith("=="):
        raise InexactEntryError(f"its version is '{printable(version)}', not one exact version.")
    return {"version": version.lstrip("=").removeprefix("*"), "hashes": _hashes(values)}


def _hashes(values: Table) -> tuple[str, ...]:
    return strings(values.get("hashes"))


def _git_target(name: str, values: Table) -> str:
    subdirectory = text_of(values.get("subdirectory"))
    return git_target(
        name,
        text_of(values["git"]),
        text_of(values.get("ref")),
        subdirectory,
        is_editable=values.get("editable") is True,
    )
