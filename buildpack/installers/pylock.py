"""pylock.toml (PEP 751): installed by uv, which checks every hash in it.

A file made from several groups or extras says which there are; those of its ``default-groups`` are
installed, and those of the settings beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine, PythonRequirement
from buildpack.installers.built_in_place import building_in_place
from buildpack.installers.diagnosis.errors import InstallFailedError
from buildpack.installers.locks.local_sources import (
    EXTRAS,
    GROUPS,
    check_local_paths,
    choose,
    test_choices,
)
from buildpack.installers.locks.lock_changes import parse_dependency
from buildpack.installers.locks.lock_errors import naming_mistakes
from buildpack.installers.locks.project_errors import (
    Difference,
    LockOutOfSyncError,
    LockVersionError,
    UnsupportedEnvironmentError,
)
from buildpack.installers.locks.project_file import (
    PYPROJECT,
    Project,
    Table,
    read_project,
    read_toml,
    strings,
    table,
    tables,
    text_of,
)
from buildpack.installers.locks.pylock_checks import read_packages
from buildpack.installers.requirements import install_command
from buildpack.installers.uv_run import lock_is_old, locked_env, run_uv
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings
from buildpack.support.names import normalized

LOCK = "pylock.toml"
NAMED = re.compile(r"pylock\.[^.]+\.toml")
LOCK_COMMAND = "uv export --format pylock.toml -o pylock.toml"
COMMANDS = {
    "uv": LOCK_COMMAND,
    "pdm": "pdm lock",
    "pip": "pip lock -r requirements.txt",
}
"""What writes the file again, by the tool that its ``created-by`` names."""


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """The lock file, compared with pyproject.toml where that lists dependencies too."""
    name = lock_file(app, settings)
    lock = read_toml(app, name, remedy=f"Write it again, for example:\n\n    {LOCK_COMMAND}")
    command = COMMANDS.get(text_of(lock.get("created-by")), LOCK_COMMAND)
    version = text_of(lock.get("lock-version"))
    if version.partition(".")[0] != "1":
        raise LockVersionError(name, version or "missing", "1", command)
    packages = read_packages(name, app.read_text(name), lock, command)
    paths = check_local_paths(app, settings, name, _local_paths(packages))
    inputs = {name: app.read_bytes(name)}
    limits = [(text_of(lock.get("requires-python")), f"{name} (requires-python)")]
    if app.is_file(PYPROJECT):
        project = read_project(app)
        inputs[PYPROJECT] = app.read_bytes(PYPROJECT)
        limits.append((project.requires_python, f"{PYPROJECT} (requires-python)"))
        found = tuple(differences(lock, packages, project)) if name == LOCK else ()
        if found:
            raise LockOutOfSyncError(name, PYPROJECT, found, command)
    groups, extras = _choices(lock, name, settings)
    return Dependencies(
        manager=PackageManager.PYLOCK,
        source=name,
        inputs=inputs,
        local_paths=paths,
        listed=tuple(_listed(package) for package in packages),
        options=(
            *(word for group in groups for word in ("--group", group)),
            *(word for extra in extras for word in ("--extra", extra)),
        ),
        requires_python=tuple(
            PythonRequirement(specifier=specifier, origin=origin)
            for specifier, origin in limits
            if specifier
        ),
        facts={"groups": ",".join(groups), "extras": ",".join(extras)},
    )


def _listed(package: Table) -> str:
    name, version = text_of(package.get("name")), text_of(package.get("version"))
    marker = text_of(package.get("marker"))
    return (f"{name}=={version}" if version else name) + (f" ; {marker}" if marker else "")


def lock_file(app: App, settings: BuildSettings) -> str:
    """The lock that SLUGKIT_REQUIREMENTS names, pylock.toml, or the only one with a name."""
    for name in settings.requirements_files:
        if name == LOCK or NAMED.fullmatch(name):
            return name
    named = sorted(name for name in app.names() if NAMED.fullmatch(name))
    return named[0] if len(named) == 1 and not app.has(LOCK) else LOCK


def _choices(
    lock: Table, name: str, settings: BuildSettings
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known_groups = strings(lock.get("dependency-groups"))
    known_extras = strings(lock.get("extras"))
    groups = choose(settings.groups, known_groups, setting=GROUPS, source=name)
    extras = choose(settings.extras, known_extras, setting=EXTRAS, source=name)
    groups += test_choices(known_groups, settings)
    extras += test_choices(known_extras, settings)
    if groups:
        # A group that is asked for takes the place of the default ones: ask for those too.
        groups = (*(normalized(x) for x in strings(lock.get("default-groups"))), *groups)
    return tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(extras))


def _local_paths(packages: Sequence[Table]) -> Iterator[str]:
    for package in packages:
        for holder in (
            table(package, "directory"),
            table(package, "archive"),
            table(package, "sdist"),
            *tables(package.get("wheels")),
        ):
            if text_of(holder.get("path")):
                yield text_of(holder.get("path"))


def differences(lock: Table, packages: Sequence[Table], project: Project) -> Iterator[Difference]:
    """Dependencies of pyproject.toml that the lock lacks, or has in a version they do not allow.

    Groups and extras count where the lock says that it has them. The format has no copy of what it
    was made from, so what was removed since is not seen.
    """
    if "dependencies" in project.dynamic:
        return
    locked: dict[str, list[str]] = {}
    for package in packages:
        versions = locked.setdefault(normalized(text_of(package.get("name"))), [])
        versions.append(text_of(package.get("version")))
    for text in _wanted(lock, project):
        with naming_mistakes(project.file):
            wanted = parse_dependency(text)
        if wanted.name == normalized(project.name):
            continue  # Its own extras, which are looked at by themselves.
        if wanted.name not in locked:
            if not wanted.marker:
                yield Difference(name=wanted.name, locked="", wanted=text)
            continue
        versions = [version for version in locked[wanted.name] if version]
        is_exact = wanted.alternatives[0].replace(" ", "") in {f"=={x}" for x in versions}
        if versions and not is_exact and not any(wanted.accepts(x) for x in versions):
            shown = ", ".join(f"{wanted.name}=={version}" for version in versions)
            yield Difference(name=wanted.name, locked=shown, wanted=text)


def _wanted(lock: Table, project: Project) -> Iterator[str]:
    """What the parts of pyproject.toml ask for that the lock was made of; each text once."""
    parts = [project.dependencies]
    parts += [project.groups.get(normalized(x), ()) for x in strings(lock.get("dependency-groups"))]
    parts += [project.extras.get(normalized(x), ()) for x in strings(lock.get("extras"))]
    yield from dict.fromkeys(text for part in parts for text in part)


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """``uv pip install`` from the lock file, which it checks against Python and platform."""
    lock = dependencies.source
    arguments = ("--preview-features", "pylock", *dependencies.options, "-r", lock)
    command = install_command(install, arguments, title=f"uv pip install -r {lock}")
    lock_error = lock_is_old(lock, PYPROJECT, LOCK_COMMAND)
    try:
        with building_in_place(dependencies, install) as ready:
            command = replace(command, env=locked_env(ready))
            run_uv(command, install, on_line, lock_error=lock_error)
    except InstallFailedError as err:
        if any("target environment is not supported by the lockfile" in x for x in err.lines):
            environments = _environments(dependencies.inputs[lock])
            raise UnsupportedEnvironmentError(lock, environments) from err
        raise


def _environments(content: bytes) -> tuple[str, ...]:
    import tomllib

    return strings(tomllib.loads(content.decode("utf-8-sig")).get("environments"))
