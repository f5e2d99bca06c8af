"""``slug-run stop``: what is wanted is nothing, and whoever keeps the app running ends it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.state.errors import NOT_WRITTEN, StateBusyError, StateFileError
from runner.state.rollouts import STOPPED, RolloutState
from runner.state.state import opened_state
from runner.supervision.client import Event, ask, is_supervised, supervisor_dir
from runner.supervision.telling import say_in_log, tell_event
from runner.supervision.wanted import Settings

LAST_WAIT = 10.0  # seconds for keeper and supervisor to be gone


class StopNotNotedError(SlugkitError):
    """The app has been stopped, and the state file still has it as one that is kept running."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "stop-not-noted"

    def __init__(self, app: str, why: StateFileError | StateBusyError) -> None:
        self.app, self.why = app, why
        super().__init__(
            f"{app} was stopped, and that could not be written down",
            details=f"{why.found}\nThe next deploy, scale, restart or change of its config vars"
            " starts it again, and so\ndoes the machine's start where it has a service.",
            resolution=f"{why.remedy}, then have it remembered:\n\n    slug-run stop --app {app}",
        )


def stop(opened: OpenedApp, *, at_once: bool = False) -> bool:
    """End the formation and its supervisor; False when nothing was running.

    Without room for the wish the supervisor is told all the same: what is stopped is often what
    has filled the disk. Raises StopNotNotedError when there is none even then.
    """
    was_wanted = opened.state.supervision(opened.app) is not None
    directory = supervisor_dir(app_dir(opened.data_dir, opened.app))
    try:
        _note(opened)
    except StateFileError:
        if not is_supervised(directory):
            raise
        _end(opened, directory, {"do": "stop", "at_once": at_once})
        _note_late(opened)
        return True
    if was_wanted:
        say_in_log(opened, f"Stop by {opened.who}")
    if is_supervised(directory):
        _end(opened, directory, {"do": "kill" if at_once else "reconcile"})
        return True
    return was_wanted


def start_words(settings: Settings) -> tuple[str, ...]:
    """The options of ``start -d`` that bring back what ``stop`` makes the app forget."""
    usual, words = Settings().as_json(), []
    for name, told in settings.as_json().items():
        option = name.replace("_", "-")
        match told:
            case _ if told == usual[name]:
                pass
            case True | False:
                words.append(f"--{option}" if told else f"--no-{option}")
            case Mapping():
                for process_type, may in told.items():
                    words += [f"--{option}" if may else f"--no-{option}", process_type]
            case float():
                words += [f"--{option}", f"{told:g}"]
            case _:
                words += [f"--{option}", "none" if told is None else str(told)]
    return tuple(words)


def _note(opened: OpenedApp) -> None:
    with opened_state(opened.data_dir) as state:
        state.set_supervision(opened.app, None)
        rollouts = RolloutState(state, opened.app)
        if (rollout := rollouts.current()) is not None:
            rollouts.fail(rollout.version, STOPPED)


def _note_late(opened: OpenedApp) -> None:
    """What its containers wrote is gone now."""
    try:
        _note(opened)
    except NOT_WRITTEN as err:
        raise StopNotNotedError(opened.app.name, err) from err
    say_in_log(opened, f"Stop by {opened.who}")


def _end(opened: OpenedApp, directory: Path, request: Event) -> None:
    ask(opened.app.name, directory, request, on_event=tell_event)
    deadline = time.monotonic() + LAST_WAIT
    while is_supervised(directory) and time.monotonic() < deadline:
        time.sleep(0.01)  # the keeper ends a moment after its supervisor
