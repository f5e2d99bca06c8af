"""What the app's log says of one-offs, beside runner/container_lines.py."""

from __future__ import annotations

from collections.abc import Mapping

from buildpack.support.errors import shown_seconds
from runner.logbook.app_log import AppLog, LogDirectoryError
from runner.logbook.place import log_dir
from runner.state.state import opened_state
from slugc.privileges import data_dir


def too_long(seconds: float) -> str:
    return f"The time limit of {shown_seconds(seconds)} is over"


def note_attached(app_name: str, name: str, env: Mapping[str, str], *texts: str) -> None:
    """Lines about an attached one-off. Its output is its own; nothing fails for want of a log."""
    directory = data_dir(env)
    with opened_state(directory) as state:
        app = state.app(app_name)
    try:
        with AppLog(log_dir(directory, app)) as log:
            for text in texts:
                log.system(name, text)
    except LogDirectoryError:
        return  # the person at the terminal sees how it went
