"""What the packages of a lock come to, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence

from buildpack.app import App
from buildpack.installers.base import Dependencies
from buildpack.installers.locks.local_projects import editable_inputs
from buildpack.installers.locks.lock_lines import LockedPackage, lock_options
from buildpack.package_manager import PackageManager


def locked_dependencies(
    app: App,
    manager: PackageManager,
    files: Sequence[str],
    packages: Sequence[LockedPackage],
    text: str,
    *,
    links: Sequence[str] = (),
) -> Dependencies:
    """``files`` are the lock and what it was made from, ``text`` is the lock as requirements.

    ``links`` are directories of the app that are installed editable beside the packages.
    """
    local = [package for package in packages if package.is_local]
    editable = editable_inputs(app, [*(x.target for x in local if x.is_editable), *links])
    return Dependencies(
        manager=manager,
        source=files[0],
        inputs={**{name: app.read_bytes(name) for name in files}, **editable.files},
        local_paths=(*(x.target for x in local if not x.is_editable), *editable.directories),
        requirements=text,
        options=lock_options(packages),
    )
