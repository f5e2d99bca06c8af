"""The Pythons that packages beside the app are for: known before one is chosen."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from buildpack.app import App
from buildpack.installers.base import PythonRequirement
from buildpack.installers.locks.project_file import read_toml, table, text_of

REMEDY = "Correct the file, then build again."


def python_limits(app: App, directories: Iterable[str]) -> tuple[PythonRequirement, ...]:
    """``requires-python`` of each directory that is a project; the app's own is read elsewhere."""
    names = (posixpath.join(path, "pyproject.toml") for path in directories if path != ".")
    limits = ((name, _limit(app, name)) for name in names if app.is_file(name))
    return tuple(
        PythonRequirement(specifier=limit, origin=f"{name} (requires-python)")
        for name, limit in limits
        if limit
    )


def _limit(app: App, name: str) -> str:
    project = table(read_toml(app, name, remedy=REMEDY), "project")
    return text_of(project.get("requires-python"))
