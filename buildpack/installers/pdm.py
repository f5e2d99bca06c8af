"""PDM: installs what pdm.lock lists, as ``pdm install --prod --check`` does, without PDM."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine, PythonRequirement
from buildpack.installers.locks.local_sources import EXTRAS, GROUPS, check_local_paths, choose
from buildpack.installers.locks.lock_errors import (
    MissingProjectFileError,
    PdmWorkspaceError,
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
from buildpack.installers.locks.lock_markers import Marker, either
from buildpack.installers.locks.lock_reading import remedy
from buildpack.installers.locks.locked_dependencies import locked_dependencies
from buildpack.installers.locks.pdm_lock import (
    COMMAND,
    LOCK,
    PYPROJECT,
    check_format,
    check_fresh,
    locked_groups,
    wanted_packages,
)
from buildpack.installers.locks.pdm_project import DEFAULT, PdmProject
from buildpack.installers.locks.project_file import Table, read_toml, table, tables, text_of
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings
from buildpack.support.names import normalized
from buildpack.support.values import changed

PROJECT_ROOT = "file:///${PROJECT_ROOT}/"
SOURCES = "sources"


@naming_mistakes(PYPROJECT)
def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """What pdm.lock lists, after checking that it was written for this pyproject.toml."""
    if not app.has(PYPROJECT):
        raise MissingProjectFileError(LOCK, PYPROJECT)
    lock = read_toml(app, LOCK, remedy=remedy(LOCK, COMMAND))
    content = read_toml(app, PYPROJECT, remedy="Correct the file, then build again.")
    project = PdmProject(content=content)
    if "workspace" in project.pdm:
        raise PdmWorkspaceError
    check_format(lock)
    check_fresh(project, lock)
    groups = chosen_groups(project, lock, settings)
    sources = read_sources(project)
    packages = joined(wanted_packages(project, lock, groups), SOURCES if sources.url else "")
    check_local_paths(app, settings, LOCK, [p.target for p in packages if p.is_local])
    if project.is_package:
        root = LockedPackage(name=normalized(project.name), target=".", is_editable=True)
        packages = [*packages, root]
    text = requirements_text(packages, {SOURCES: sources})
    if not sources.url:
        text = "".join(f"{line}\n" for line in sources.lines()) + text
    check_variables(LOCK, text, env)
    return changed(
        locked_dependencies(app, PackageManager.PDM, (LOCK, PYPROJECT), packages, text),
        requires_python=_requires_python(lock),
        facts={"groups": ",".join(groups)},
    )


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """Install the locked packages."""
    # Not needed by the many builds that find their virtualenv in the cache.
    from buildpack.installers.locks.lock_install import install_lock

    install_lock(dependencies, install, on_line)


def chosen_groups(project: PdmProject, lock: Table, settings: BuildSettings) -> tuple[str, ...]:
    """The default group and those asked for; in a build for tests, all that are locked."""
    locked = locked_groups(project, lock)
    extras = [name for name in locked if name in project.extras()]
    others = [name for name in locked if name not in project.extras()]
    return tuple(
        dict.fromkeys(
            [
                DEFAULT,
                *(locked if settings.is_test else ()),
                *choose(settings.groups, others, setting=GROUPS, source=LOCK),
                *choose(settings.extras, extras, setting=EXTRAS, source=LOCK),
            ]
        )
    )


def _requires_python(lock: Table) -> tuple[PythonRequirement, ...]:
    metadata = table(lock, "metadata")
    found = {text_of(target.get("requires_python")) for target in tables(metadata.get("targets"))}
    # Several targets are alternatives, which no one specifier can say.
    specifier = found.pop() if len(found) == 1 else ""
    origin = f"{LOCK} (metadata.targets.requires_python)"
    return (PythonRequirement(specifier=specifier, origin=origin),) if specifier else ()


def read_sources(project: PdmProject) -> PackageIndex:
    """The indexes the app names. One called "pypi" stands in for the public one."""
    urls: dict[str, str] = {}
    links = []
    is_trusted_blindly = False
    for source in tables(project.pdm.get("source")):
        url = _with_credentials(source)
        if source.get("type") == "find_links":
            links.append(url.replace(PROJECT_ROOT, "./"))
        else:
            urls[text_of(source.get("name")) or url] = url
            is_trusted_blindly |= source.get("verify_ssl") is False
    public = urls.pop("pypi", "")
    return PackageIndex(
        url="" if is_public_index(public) else public,
        extra_urls=tuple(url for url in urls.values() if not is_public_index(url)),
        find_links=tuple(links),
        is_trusted_blindly=is_trusted_blindly and bool(public),
    )


def _with_credentials(source: Table) -> str:
    url, user = text_of(source.get("url")), text_of(source.get("username"))
    parts = urllib.parse.urlsplit(url)
    if not user or "@" in parts.netloc:
        return url
    secret = text_of(source.get("password"))
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{user}:{secret}@{parts.netloc}"))


def joined(found: Iterable[tuple[Table, Marker]], index: str) -> Sequence[LockedPackage]:
    """One package for all entries of it: with extras it is locked once more."""
    packages: dict[tuple[str, str, str], LockedPackage] = {}
    for entry, marker in found:
        package = replace(read_package(entry, marker), index=index)
        key = (package.name, package.version, package.target)
        earlier = packages.get(key)
        if earlier:
            package = replace(package, marker=either([earlier.marker, package.marker]))
        packages[key] = package
    return list(packages.values())


def read_package(package: Table, marker: Marker) -> LockedPackage:
    """One package of the lock as uv will get it."""
    name, is_editable = normalized(text_of(package.get("name"))), package.get("editable") is True
    hashes = tuple(dict.fromkeys(text_of(x.get("hash")) for x in tables(package.get("files"))))
    found = LockedPackage(name=name, marker=marker, is_editable=is_editable)
    subdirectory = text_of(package.get("subdirectory"))
    if "git" in package:
        url, commit = text_of(package["git"]), text_of(package.get("revision"))
        target = git_target(name, url, commit, subdirectory, is_editable=is_editable)
        return replace(found, target=target)
    url = text_of(package.get("path")) or text_of(package.get("url"))
    if url:
        url = normal_target(url.replace(PROJECT_ROOT, "./"))
        fragment = f"#subdirectory={subdirectory}" if subdirectory else ""
        return replace(found, target=url + fragment, hashes=() if is_editable else hashes)
    return replace(found, version=text_of(package.get("version")), hashes=hashes)
