"""uv.lock: installed by uv itself, after we have made sure that it is up to date.

What is installed is what ``uv sync --locked --no-default-groups`` installs: the locked versions
with their hashes, the project and the members of its workspace editable, as on a desk.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, OnLine, PythonRequirement
from buildpack.installers.built_in_place import building_in_place
from buildpack.installers.locks.local_projects import editable_inputs
from buildpack.installers.locks.local_sources import EXTRAS, GROUPS, check_local_paths, choose
from buildpack.installers.locks.project_errors import (
    Difference,
    LockOutOfSyncError,
    LockVersionError,
    RequiredUvVersionError,
)
from buildpack.installers.locks.project_file import (
    PYPROJECT,
    Project,
    read_project,
    read_toml,
    table,
    text_of,
)
from buildpack.installers.locks.uv_lock import FORMAT, UvLock, differences, parse_uv_lock
from buildpack.installers.uv_run import (
    lock_is_old,
    locked_env,
    run_uv,
    sync_command,
)
from buildpack.installers.uv_workspace import find_workspace, needed_packages, own_workspace
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings
from buildpack.support.values import changed
from buildpack.tools import tool_versions
from buildpack.versions.python_specifier import SpecifierError, parse_specifier
from buildpack.versions.python_version import parse_exact_version

LOCK = "uv.lock"
UV_TOML = "uv.toml"
LOCK_COMMAND = "uv lock"
TITLE = "uv sync --locked --no-default-groups"


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """The lock and the projects it was made from. Raises where they are not in step."""
    workspace = own_workspace(app) if app.is_file(LOCK) else find_workspace(app)
    workspace = workspace or own_workspace(app)
    top, member = workspace.top, workspace.member
    root = read_project(top)
    check_required_version(top, root)
    lock = parse_uv_lock(LOCK, top.read_text(LOCK))
    if lock.format != FORMAT:
        raise LockVersionError(LOCK, str(lock.format), str(FORMAT), LOCK_COMMAND)
    needed = lock.local if member == "." else needed_packages(lock, member)
    installed = {package.path: package for package in needed if package.kind != "virtual"}
    place = changed(settings, app_dir=posixpath.join(settings.app_dir, workspace.way_up))
    paths = check_local_paths(top, place, LOCK, installed)
    members = {".": root, **_members(top, lock)}
    found = (*differences(lock, root, members), *unknown_member(app, member, members))
    if found:
        raise LockOutOfSyncError(LOCK, PYPROJECT, found, LOCK_COMMAND)
    project = members[member]
    groups = choose(settings.groups, project.groups, setting=GROUPS, source=project.file)
    extras = choose(settings.extras, project.extras, setting=EXTRAS, source=project.file)
    linked = editable_inputs(top, (x for x in paths if installed[x].kind == "editable"))
    files = (*(member.file for member in members.values()), UV_TOML)
    names = (LOCK, *(name for name in files if top.is_file(name)))
    whole = (*linked.directories, *(x for x in paths if installed[x].kind != "editable"))
    inputs = {**linked.files, **{name: top.read_bytes(name) for name in names}}
    options = (("--no-default-groups",) if not settings.is_test else ()) + tuple(
        word
        for flag, chosen in (("--group", groups), ("--extra", extras))
        for name in chosen
        for word in (flag, name)
    )
    return Dependencies(
        manager=PackageManager.UV,
        source=workspace.from_app(LOCK),
        inputs={workspace.from_app(name): content for name, content in inputs.items()},
        listed=tuple(project.dependencies),
        local_paths=tuple(workspace.from_app(path) for path in whole),
        options=(_freshness(members), *options),
        requires_python=tuple(_requires_python(lock, members)),
        facts={"groups": ",".join(groups), "extras": ",".join(extras)},
    )


def unknown_member(app: App, member: str, members: Mapping[str, Project]) -> Iterator[Difference]:
    """An app that the workspace has, and its lock does not know yet."""
    if member not in members:
        name = read_project(app).name
        yield Difference(name="member of the workspace", locked="", wanted=f"{name} in {member}")


def _freshness(members: Mapping[str, Project]) -> str:
    """Let uv check the lock too, except where its answer would depend on our Python.

    Without any requires-python uv takes that of the Python at hand, and a lock made with another
    one counts as old.
    """
    has_requirement = any(project.requires_python for project in members.values())
    return "--locked" if has_requirement else "--frozen"


def _members(app: App, lock: UvLock) -> Mapping[str, Project]:
    """The projects of the workspace beside the root, by their path."""
    return {
        package.path: read_project(app, f"{package.path}/{PYPROJECT}")
        for package in lock.local
        if package.path != "." and app.is_file(f"{package.path}/{PYPROJECT}")
    }


def _requires_python(lock: UvLock, members: Mapping[str, Project]) -> Iterator[PythonRequirement]:
    """Of the lock, which holds for all members together, and of each that says so itself."""
    for project in members.values():
        if project.requires_python:
            origin = f"{project.file} (requires-python)"
            yield PythonRequirement(specifier=project.requires_python, origin=origin)
    if lock.requires_python:
        specifier = lock.requires_python.replace(", ", ",")
        yield PythonRequirement(specifier=specifier, origin=f"{LOCK} (requires-python)")


def check_required_version(app: App, root: Project) -> None:
    """Raise if the app wants another uv than ours."""
    wanted, origin = text_of(root.uv.get("required-version")), f"{PYPROJECT} [tool.uv]"
    if app.is_file(UV_TOML):  # uv reads one of the two: this one.
        content = read_toml(app, UV_TOML, remedy="Correct the file, then build again.")
        wanted, origin = text_of(table(content).get("required-version")), UV_TOML
    if not wanted:
        return
    if not accepts_our_uv(wanted):
        raise RequiredUvVersionError(origin, wanted, tool_versions()["uv"])


def accepts_our_uv(wanted: str) -> bool:
    """Does a required-version admit the uv that is pinned here?"""
    exact = wanted if wanted[0] in "<>=!~" else f"=={wanted}"
    ours = parse_exact_version(tool_versions()["uv"])
    try:
        return parse_specifier(exact)((ours.major, ours.minor, ours.patch))
    except SpecifierError:
        return False


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """``uv sync`` into the build's virtualenv."""
    # The Python is chosen already: .python-version must not make uv look for another.
    arguments = ("--python", str(install.venv.python), *dependencies.options)
    with building_in_place(dependencies, install) as ready:
        env = {**locked_env(ready), "UV_PROJECT_ENVIRONMENT": str(install.venv.root)}
        command = sync_command(install, arguments, env, title=TITLE)
        run_uv(command, install, on_line, lock_error=lock_is_old(LOCK, PYPROJECT, LOCK_COMMAND))
