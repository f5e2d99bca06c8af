"""After a change of config vars: a line in the app's log, and containers that see it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.state.values import ReleaseRecord

API = "api"  # Heroku's name for whoever changes an app


def log_release(opened: OpenedApp, release: ReleaseRecord, *, tell: Callable[[str], None]) -> None:
    """Say in the app's log who changed which names. Nothing fails for want of it."""
    from runner.logbook.app_log import AppLog, LogDirectoryError
    from runner.logbook.place import log_dir

    with contextlib.ExitStack() as stack:
        try:
            log = stack.enter_context(AppLog(log_dir(opened.data_dir, opened.app)))
        except LogDirectoryError as err:
            tell(f"{err.brief}: {err.details}")
            return
        log.system(API, f"{release.description} by {release.who}")
        log.system(API, f"Release {release.label} created by {release.who}")


def restart_containers(
    opened: OpenedApp, release: ReleaseRecord, *, tell: Callable[[str], None]
) -> None:
    """Replace what runs by containers of the new release, where the app is kept running.

    Raises RolloutFailedError when they do not come up: the config vars are what they were then.
    """
    if opened.state.supervision(opened.app) is None:
        return
    from runner.deploys.verdict import await_verdict
    from runner.supervision.telling import tell_event

    tell(f"Restarting {opened.app.name}")
    await_verdict(opened.state, opened.data_dir, opened.app, release.version, on_event=tell_event)


def stop_containers(opened: OpenedApp) -> None:
    """End what runs of an app that is about to be forgotten."""
    from runner.one_offs.standing import running_one_offs, stop_one_off

    for one_off in running_one_offs(opened):
        stop_one_off(one_off)
    directory = app_dir(opened.data_dir, opened.app) / "supervisor"
    if opened.state.supervision(opened.app) is None and not directory.exists():
        return
    from runner.supervision.stopping import stop

    stop(opened)
