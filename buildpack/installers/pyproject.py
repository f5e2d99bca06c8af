"""pyproject.toml alone: its dependencies, and the project itself where it can be built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine, PythonRequirement
from buildpack.installers.built_in_place import building_in_place
from buildpack.installers.locks.local_projects import editable_inputs
from buildpack.installers.locks.local_sources import (
    EXTRAS,
    GROUPS,
    check_local_paths,
    choose,
    source_paths,
    test_choices,
)
from buildpack.installers.locks.project_errors import NothingToInstallError
from buildpack.installers.locks.project_file import (
    PYPROJECT,
    Project,
    read_project,
    read_toml,
    table,
)
from buildpack.installers.requirements import install_command
from buildpack.installers.uv_project import UV_TOML, check_required_version
from buildpack.installers.uv_run import (
    lock_is_old,
    locked_env,
    own_settings_env,
    run_uv,
)
from buildpack.package_manager import MissingLockError, PackageManager
from buildpack.settings import BuildSettings

SETUP_FILES = ("setup.py", "setup.cfg")
NOT_LOCKED = (
    "pyproject.toml says which packages your app needs, not in which versions.\n\n"
    "A later build may install newer ones. To keep those that work, commit a\n"
    "lock file:\n\n    uv lock\n    git add uv.lock"
)


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """The project's dependencies, the chosen groups and extras, and is it itself a package?"""
    content = read_toml(app, PYPROJECT, remedy="Correct the file, then build again.")
    poetry = table(content, "tool", "poetry")
    if "dependencies" in poetry or "group" in poetry:
        raise MissingLockError("a pyproject.toml for Poetry", "poetry.lock", "poetry lock")
    project = read_project(app)
    if not project.has_project and not project.has_build_system:
        tools = (f"tool.{name}" for name in table(content, "tool"))
        others = (name for name in content if name != "tool")
        raise NothingToInstallError((*others, *tools))
    check_required_version(app, project)
    groups = choose(settings.groups, project.groups, setting=GROUPS, source=PYPROJECT)
    groups = tuple(dict.fromkeys((*groups, *test_choices(project.groups, settings))))
    extras = _extras(project, settings)
    paths = check_local_paths(app, settings, PYPROJECT, source_paths(project.uv))
    linked = editable_inputs(app, (".",) if _is_installed(project) else ())
    names = (PYPROJECT, *(name for name in (UV_TOML, *SETUP_FILES) if app.is_file(name)))
    return Dependencies(
        manager=PackageManager.PYPROJECT,
        source=PYPROJECT,
        inputs={**linked.files, **{name: app.read_bytes(name) for name in names}},
        local_paths=(*linked.directories, *paths),
        listed=(*project.dependencies, *(("-e .",) if _is_installed(project) else ())),
        options=_arguments(project, groups, extras),
        requires_python=limits(project.requires_python, f"{PYPROJECT} (requires-python)"),
        warnings=() if is_pinned(project) else (NOT_LOCKED,),
        facts={"groups": ",".join(groups), "extras": ",".join(extras)},
    )


def _is_installed(project: Project) -> bool:
    return project.is_package or not project.has_project


def _extras(project: Project, settings: BuildSettings) -> tuple[str, ...]:
    if "optional-dependencies" in project.dynamic or not project.has_project:
        return settings.extras  # Known when it is built, and not before.
    chosen = choose(settings.extras, project.extras, setting=EXTRAS, source=PYPROJECT)
    return tuple(dict.fromkeys((*chosen, *test_choices(project.extras, settings))))


def _arguments(
    project: Project, groups: tuple[str, ...], extras: tuple[str, ...]
) -> tuple[str, ...]:
    """What follows ``uv pip install``."""
    words = tuple(word for group in groups for word in ("--group", group))
    if _is_installed(project):
        return (*words, *editable(extras))
    wanted = tuple(word for extra in extras for word in ("--extra", extra))
    return (*words, *wanted, "-r", PYPROJECT)


def editable(extras: tuple[str, ...]) -> tuple[str, ...]:
    """The app itself, with extras: found in its own directory at run time, not copied."""
    return ("-e", f".[{','.join(extras)}]" if extras else ".")


def limits(specifier: str, origin: str) -> tuple[PythonRequirement, ...]:
    """One limit of the Python version, or none where nothing is said."""
    return (PythonRequirement(specifier=specifier, origin=origin),) if specifier else ()


def is_pinned(project: Project) -> bool:
    """Does every dependency name one version? (What these need may still change.)"""
    pinned = re.compile(r"===?\s*[^*;,]+($|;)|@")
    return "dependencies" not in project.dynamic and all(
        pinned.search(text) for text in project.dependencies
    )


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """``uv pip install`` with the project's own settings of uv."""
    speaks_uv = b"[tool.uv" in dependencies.inputs[PYPROJECT] or UV_TOML in dependencies.inputs
    # Who configures indexes in [tool.uv] means uv's way with them; everybody else means pip's.
    environment = locked_env if speaks_uv else own_settings_env
    title = f"uv pip install {' '.join(dependencies.options)}"
    command = install_command(install, dependencies.options, title=title)
    with building_in_place(dependencies, install) as ready:
        command = replace(command, env=environment(ready))
        run_uv(command, install, on_line, lock_error=lock_is_old("uv.lock", PYPROJECT, "uv lock"))
