"""An app in a subdirectory of its source: what compile chose, release and containers know later."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from buildpack.support import files
from buildpack.support.procfile import read_procfile

NOTE = Path(".heroku") / "app-dir"
PROFILE = Path(".profile.d") / "python-app-dir.sh"


def write_app_dir(build_dir: Path, app_dir: str) -> None:
    """Note where the app is; for containers, where its modules are imported from.

    The script sorts before python.sh, which leaves a PYTHONPATH alone that is set.
    """
    if not app_dir:
        (build_dir / NOTE).unlink(missing_ok=True)  # one that the app brought along
    else:
        files.write_whole(build_dir / NOTE, app_dir + "\n")
        place = f'"$HOME"/{shlex.quote(app_dir)}'
        line = f'[ -n "${{PYTHONPATH+set}}" ] || export PYTHONPATH={place}\n'
        files.write_whole(build_dir / PROFILE, line)


def read_app_dir(build_dir: Path) -> str:
    """Where the app is in a built tree: "" for its root."""
    try:
        return (build_dir / NOTE).read_text("utf-8").removesuffix("\n")
    except FileNotFoundError:
        return ""


def process_types_of(build_dir: Path, app_dir: str) -> Mapping[str, str]:
    """The process types of the Procfile in ``app_dir``, to be run from the root."""
    found = read_procfile(build_dir / app_dir) if app_dir else None
    return {name: run_in(app_dir, command) for name, command in (found or {}).items()}


def run_in(app_dir: str, command: str) -> str:
    """``command`` as it is written where it is run from the root of the source."""
    if not app_dir:
        return command
    # No name that cd(1) takes for an option.
    place = f"./{app_dir}" if app_dir.startswith("-") else app_dir
    return f"cd {shlex.quote(place)} && {command}"
