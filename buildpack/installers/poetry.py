"""Poetry: installs what poetry.lock lists, as ``poetry sync --only main`` does, without it."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine, PythonRequirement
from buildpack.installers.locks.local_sources import EXTRAS, GROUPS, check_local_paths, choose
from buildpack.installers.locks.lock_errors import (
    MissingProjectFileError,
    ProjectNotInstallableError,
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
from buildpack.installers.locks.lock_markers import Marker
from buildpack.installers.locks.lock_reading import remedy
from buildpack.installers.locks.locked_dependencies import locked_dependencies
from buildpack.installers.locks.poetry_constraint import python_specifier
from buildpack.installers.locks.poetry_lock import (
    COMMAND,
    LOCK,
    PYPROJECT,
    check_fresh,
    lock_format,
    wanted_packages,
)
from buildpack.installers.locks.poetry_project import MAIN, PoetryProject
from buildpack.installers.locks.project_file import Table, read_toml, table, tables, text_of
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings
from buildpack.support.names import normalized
from buildpack.support.values import changed


@naming_mistakes(PYPROJECT)
def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """What poetry.lock lists, after checking that it was written for this pyproject.toml."""
    if not app.has(PYPROJECT):
        raise MissingProjectFileError(LOCK, PYPROJECT)
    lock = read_toml(app, LOCK, remedy=remedy(LOCK, COMMAND))
    content = read_toml(app, PYPROJECT, remedy="Correct the file, then build again.")
    project = PoetryProject(content=content)
    lock_format(lock)
    check_fresh(project, lock, app.read_text(LOCK).partition("\n")[0])
    groups = chosen_groups(project, settings)
    extras = choose(settings.extras, table(lock, "extras"), setting=EXTRAS, source=LOCK)
    found = wanted_packages(project, lock, groups, extras)
    packages = [read_package(package, marker, lock) for package, marker in found]
    root = root_packages(app, project)
    check_local_paths(app, settings, LOCK, [p.target for p in packages if p.is_local])
    text = requirements_text([*packages, *root], read_indexes(found, env))
    check_variables(LOCK, text, env)
    has_foreign_root = project.is_package and not root
    links = ["."] if has_foreign_root else []
    files, everything = (LOCK, PYPROJECT), [*packages, *root]
    return changed(
        locked_dependencies(app, PackageManager.POETRY, files, everything, text, links=links),
        requires_python=_requires_python(lock),
        facts={
            "groups": ",".join(groups),
            **({"extras": ",".join(extras)} if extras else {}),
            **({"root": "poetry-core"} if has_foreign_root else {}),
        },
    )


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """Install the locked packages, and the app itself where its own backend would not do."""
    # Not needed by the many builds that find their virtualenv in the cache.
    from buildpack.installers.locks.lock_install import install_lock

    install_lock(dependencies, install, on_line)
    if "root" in dependencies.facts:
        from buildpack.installers.locks.poetry_root import install_root

        install_root(install, on_line)


def chosen_groups(project: PoetryProject, settings: BuildSettings) -> tuple[str, ...]:
    """The main group and those asked for; in a build for tests, all that are not optional."""
    known = project.groups()
    test = [name for name, is_optional in known.items() if settings.is_test and not is_optional]
    asked = choose(settings.groups, known, setting=GROUPS, source=PYPROJECT)
    return tuple(dict.fromkeys([MAIN, *test, *asked]))


def _requires_python(lock: Table) -> tuple[PythonRequirement, ...]:
    text = text_of(table(lock, "metadata").get("python-versions"))
    specifier = python_specifier(text or "*")
    origin = f"{LOCK} (metadata.python-versions)"
    return (PythonRequirement(specifier=specifier, origin=origin),) if specifier else ()


def root_packages(app: App, project: PoetryProject) -> Sequence[LockedPackage]:
    """The app itself, where Poetry installs it and its own build backend is Poetry's."""
    if not project.is_package:
        return ()
    check_installable(app, project)
    if not project.build_backend.startswith("poetry"):
        return ()
    return (LockedPackage(name=normalized(project.name), target=".", is_editable=True),)


def check_installable(app: App, project: PoetryProject) -> None:
    """Raise where Poetry would find no module to install."""
    if "packages" in project.poetry:
        return
    module = normalized(project.name).replace("-", "_")
    places = [f"{top}{module}{end}" for top in ("", "src/") for end in ("/", ".py")]
    if not any(app.has(place.rstrip("/")) for place in places):
        raise ProjectNotInstallableError(project.name, places)


def read_indexes(
    found: Iterable[tuple[Table, Marker]], env: Mapping[str, str]
) -> Mapping[str, PackageIndex]:
    """The sources of the locked packages by name, with the places for their passwords."""
    indexes = {}
    for package, _ in found:
        source = table(package, "source")
        if source.get("type") == "legacy":
            name = text_of(source.get("reference"))
            indexes[name] = PackageIndex(url=with_password(name, text_of(source.get("url")), env))
    return indexes


def with_password(name: str, url: str, env: Mapping[str, str]) -> str:
    """``url`` with places for what POETRY_HTTP_BASIC_NAME_USERNAME and _PASSWORD hold."""
    stem = "POETRY_HTTP_BASIC_" + re.sub(r"[-.]", "_", name).upper()
    if f"{stem}_USERNAME" not in env and f"{stem}_PASSWORD" not in env:
        return url
    parts = urllib.parse.urlsplit(url)
    names = [f"{stem}_{part}" for part in ("USERNAME", "PASSWORD")]
    user, password = (f"${{{part}}}" if part in env else "" for part in names)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


def read_package(package: Table, marker: Marker, lock: Table) -> LockedPackage:
    """One package of the lock as uv will get it."""
    source = table(package, "source")
    kind, url = text_of(source.get("type")), text_of(source.get("url"))
    is_editable = package.get("develop") is True
    name = normalized(text_of(package.get("name")))
    found = LockedPackage(name=name, marker=marker, hashes=read_hashes(package, lock))
    subdirectory = text_of(source.get("subdirectory"))
    match kind:
        case "git":
            commit = text_of(source.get("resolved_reference"))
            target = git_target(name, url, commit, subdirectory, is_editable=is_editable)
            return replace(found, target=target, is_editable=is_editable, hashes=())
        case "directory":
            target = normal_target(f"{url}/{subdirectory}" if subdirectory else url)
            return replace(found, target=target, is_editable=is_editable, hashes=())
        case "file":
            return replace(found, target=normal_target(url))
        case "url":
            target = f"{url}#subdirectory={subdirectory}" if subdirectory else url
            return replace(found, target=target)
    index = text_of(source.get("reference"))
    return replace(
        found,
        version=text_of(package.get("version")),
        index="" if not index or is_public_index(url) else index,
    )


def read_hashes(package: Table, lock: Table) -> tuple[str, ...]:
    """The hashes of a package, which older locks keep in one table for all of them."""
    name = text_of(package.get("name"))
    metadata = table(lock, "metadata")
    entries = package.get("files", table(metadata, "files").get(name))
    if not isinstance(entries, list):
        old = table(metadata, "hashes").get(name)
        return tuple(f"sha256:{x}" for x in old) if isinstance(old, list) else ()
    file = text_of(table(package, "source").get("url")).rpartition("/")[2]
    is_file = table(package, "source").get("type") == "file"
    found = (x for x in tables(entries) if not is_file or text_of(x.get("file")) == file)
    return tuple(dict.fromkeys(text_of(x.get("hash")) for x in found))
