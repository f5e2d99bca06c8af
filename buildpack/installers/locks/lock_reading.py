"""Reads lock files in JSON as project_file reads those in TOML."""

from __future__ import annotations

import json

from buildpack.app import App
from buildpack.hostile_text import loads_json
from buildpack.installers.locks.project_errors import BrokenFileError
from buildpack.installers.locks.project_file import Table, check_text


def remedy(lock: str, command: str) -> str:
    """What to do about a lock file that cannot be read."""
    return f"Write it again and commit it:\n\n    {command}\n    git add {lock}"


def read_json(app: App, name: str, *, remedy: str) -> Table:
    """The object in a JSON file. Raises with the line, whatever is wrong with it."""
    text = app.read_text(name)
    check_text(name, text, remedy=remedy)
    try:
        found = loads_json(text)
    except json.JSONDecodeError as err:
        reason = f"this is not JSON: {err.msg} (column {err.colno})."
        raise BrokenFileError(name, err.lineno, reason, remedy) from err
    if not isinstance(found, dict):
        raise BrokenFileError(name, 1, "this is JSON, but not an object.", remedy)
    return found
