"""Telling the log and the supervisor of an app what happens to its releases."""

from __future__ import annotations

import contextlib

from runner.deploys.desk import Desk
from runner.logbook.app_log import AppLog, LogDirectoryError
from runner.logbook.place import log_dir
from runner.state.values import App, ReleaseRecord

API = "api"  # Heroku's name for whoever changes an app


def announce(desk: Desk, app: App, release: ReleaseRecord) -> None:
    """A release is what the app runs now. Nothing is lost when nobody hears: what is wanted
    stands in the state."""
    said = f"Release {release.label} of {app.name} created by {release.who}"
    desk.narrator.step("released", said, release=release.label)
    say_in_log(desk, app, f"Release {release.label} created by {release.who}")


def say_in_log(desk: Desk, app: App, line: str) -> None:
    """A line of ours in the app's log. It tells of what is done; no deploy fails for want of it."""
    with contextlib.ExitStack() as stack:
        try:
            log = stack.enter_context(AppLog(log_dir(desk.data_dir, app)))
        except LogDirectoryError as err:
            desk.narrator.step("not-logged", f"{err.brief}: {err.details}")
            return
        log.system(API, line)
