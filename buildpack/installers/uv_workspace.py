"""The uv workspace that an app in a subdirectory belongs to: its lock lies further up."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from buildpack.app import App
from buildpack.installers.locks.project_file import read_project, strings, table, tables, text_of
from buildpack.installers.locks.uv_lock import LocalPackage, UvLock
from buildpack.support.names import normalized
from buildpack.support.values import value

LOCK = "uv.lock"
PYPROJECT = "pyproject.toml"


@value
class Workspace:
    """Where uv looks for a lock: ``top`` holds it, ``member`` leads from there to the app."""

    top: App
    member: str

    @property
    def way_up(self) -> str:
        return posixpath.relpath(".", self.member)

    def from_app(self, path: str) -> str:
        """A path from the workspace's root, as it is called from the app."""
        return posixpath.relpath(path, self.member)


def own_workspace(app: App) -> Workspace:
    """Of an app that has the lock itself."""
    return Workspace(top=app, member=".")


def find_workspace(app: App) -> Workspace | None:
    """The workspace around an app that is a member of it; None for an app that stands alone.

    As uv does: the nearest one decides. But never one outside of the source.
    """
    if app.source is None or not app.is_file(PYPROJECT):
        return None
    source, root = (Path(os.path.realpath(path)) for path in (app.source, app.root))
    for directory in (x for x in root.parents if x.is_relative_to(source)):
        top = App(root=directory, source=source)
        if top.is_file(LOCK) and top.is_file(PYPROJECT):
            member = root.relative_to(directory).as_posix()
            is_ours = is_declared(top, member)
            return Workspace(top=top, member=member) if is_ours else None
    return None


def is_declared(top: App, member: str) -> bool:
    """Does the root's pyproject.toml count this directory to its workspace?"""
    workspace = table(read_project(top).uv, "workspace")
    return _matches(member, strings(workspace.get("members"))) and not _matches(
        member, strings(workspace.get("exclude"))
    )


def _matches(member: str, patterns: Collection[str]) -> bool:
    path = PurePosixPath(member)
    plain = (PurePosixPath(pattern) for pattern in patterns)
    return any(len(x.parts) == len(path.parts) and path.match(str(x)) for x in plain)


def needed_packages(lock: UvLock, member: str) -> tuple[LocalPackage, ...]:
    """The local packages that come with a member: itself and what it asks for, in turn."""
    by_name = {normalized(package.name): package for package in lock.local}
    waiting = [package for package in lock.local if package.path == member]
    found: dict[str, LocalPackage] = {}
    while waiting:
        package = waiting.pop()
        if package.name not in found:
            found[package.name] = package
            waiting += (by_name[name] for name in _asked_for(package) if name in by_name)
    return tuple(package for package in lock.local if package.name in found)


def _asked_for(package: LocalPackage) -> Iterator[str]:
    """Whatever extra or group it is for: more than will be installed, never less."""
    groups = table(package.metadata, "requires-dev").values()
    for entries in (package.metadata.get("requires-dist"), *groups):
        yield from (normalized(text_of(entry.get("name"))) for entry in tables(entries))
