"""Waiting for a release to come up, and what is said when it does not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import SlugkitError, printable
from runner.state.rollouts import STOPPED, Failure, RolloutState
from runner.state.state import State
from runner.state.values import App
from runner.supervision import poke as poking
from runner.supervision.client import Event
from runner.supervision.errors import NotUpError
from runner.supervision.telling import telling_of_going_on

AGAIN_AFTER = 0.05  # seconds, where one supervisor has followed another
LONGEST_LINE = 200
SHOWN_BODY = 500


class RolloutFailedError(SlugkitError):
    """A release did not come up; the one before it runs on."""

    id = "rollout-failed"

    def __init__(self, app: str, release: str, failure: Failure, kept: str) -> None:
        self.app, self.release, self.failure, self.kept = app, release, failure, kept
        said = " ".join(filter(None, (failure.name, failure.text)))
        name = f" -d {failure.name}" if failure.name else ""
        super().__init__(
            f"{app} {release} did not come up: {said}",
            details="\n".join([kept, *_answered(failure), *_said(failure)]),
            resolution="Mend what is wrong, and try again. All it said:\n\n"
            f"    slug-run logs --app {app}{name}",
        )


def await_verdict(  # whose, and who is told
    state: State,
    data_dir: Path,
    app: App,
    version: int,
    *,
    on_event: Callable[[Event], None],
    env: Mapping[str, str] = os.environ,
) -> None:
    """Return when the release is up and nothing else runs. Raises RolloutFailedError, and
    NotUpError for a release that was up before and is not now."""
    rollouts = RolloutState(state, app)
    while True:
        with telling_of_going_on(app.name):
            settled = poking.poke(data_dir, app, on_event=on_event, env=env)
        rollout = rollouts.of(version)
        if rollout is None or not rollout.is_open:
            break
        if state.supervision(app) is None:
            # Stopped meanwhile, and killed before that was noted.
            rollouts.fail(version, STOPPED)
        time.sleep(AGAIN_AFTER)
    raise_failure(state, app, version)
    if settled is not None and not settled.ok:
        names = [str(each["name"]) for each in settled.containers if each["state"] != "up"]
        raise NotUpError(app.name, names)


def raise_failure(state: State, app: App, version: int) -> None:
    """Raise RolloutFailedError if the release did not come up."""
    rollout = RolloutState(state, app).of(version)
    if rollout is None or rollout.failure is None:
        return
    current = state.current(app)
    runs = state.supervision(app) is not None
    if current is None or current.slug is None:
        kept = "There is no earlier release to go back to: nothing runs."
    elif runs:
        kept = f"{current.label} keeps running."
    else:
        kept = f"{current.label} is the release that starts next."
    raise RolloutFailedError(app.name, f"v{version}", rollout.failure, kept)


def _answered(failure: Failure) -> Sequence[str]:
    if failure.status is None:
        return []
    lines = failure.body[:SHOWN_BODY].splitlines()
    shown = [f"    {printable(line, limit=LONGEST_LINE)}" for line in lines if line.strip()]
    return ["", f"Its last answer, with status {failure.status}:", *(shown or ["    (empty)"])]


def _said(failure: Failure) -> Sequence[str]:
    lines = [f"    {printable(line, limit=LONGEST_LINE)}" for line in failure.last]
    return ["", "The last it said:", *lines] if lines else []
