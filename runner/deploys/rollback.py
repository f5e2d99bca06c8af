"""Going back: to an earlier release, or once more at one that failed."""

from __future__ import annotations

import re

from runner.deploys.deploy import Deployed, finished
from runner.deploys.desk import Desk, changing_app
from runner.deploys.errors import (
    NothingToRetryError,
    NothingToRollBackToError,
    ReleaseNameError,
    RollbackError,
)
from runner.deploys.phase import PhaseOptions
from runner.deploys.releasing import add_release
from runner.state.rollouts import RolloutState
from runner.state.state import State
from runner.state.values import App, NewRelease, ReleaseRecord, ReleaseStatus

_RETRY = re.compile(r"Retry of v[0-9]+: ")


def parse_version(word: str) -> int:
    """7 from ``v7`` or ``7``. ASCII digits only."""
    found = re.fullmatch(r"[vV]?([0-9]{1,9})", word)
    if found is None:
        raise ReleaseNameError(word)
    return int(found[1])


def is_eligible(release: ReleaseRecord, current: ReleaseRecord | None) -> bool:
    """Whether one can roll back to it, as far as the state knows."""
    is_current = current is not None and release.version == current.version
    ran = release.status is ReleaseStatus.SUCCEEDED and release.slug is not None
    return ran and not is_current


def choose_target(state: State, app: App, version: int | None) -> ReleaseRecord:
    """The release to go back to: the one that was named, else the last one before the current
    that ran. Raises RollbackError, NoSuchReleaseError and NothingToRollBackToError."""
    current = state.current(app)
    if version is None:
        for release in state.releases(app):
            if is_eligible(release, current):
                return release
        raise NothingToRollBackToError(app.name)
    target = state.release(app, version)
    if current is not None and target.version == current.version:
        raise RollbackError(app.name, f"{target.label} is the current release already.")
    if target.status is not ReleaseStatus.SUCCEEDED:
        found = f"{target.label} never ran: {_status(state, app, target)}."
        raise RollbackError(app.name, found)
    if target.slug is None:
        raise RollbackError(app.name, f"{target.label} has no slug: nothing was deployed by then.")
    return target


def roll_back(desk: Desk, app: App, version: int | None, options: PhaseOptions) -> Deployed:
    """Make a new release with the slug and the config vars of an earlier one."""
    with changing_app(desk, app, "a rollback") as held:
        with desk.slugs.held():
            target = choose_target(desk.state, held, version)
            said = f"Rolling back {held.name} to {target.label} ({target.description})"
            desk.narrator.step("rolling-back", said, release=target.label)
            record = _add_again(desk, held, target, f"Rollback to {target.label}")
        return finished(desk, held, record, options)


def retry(desk: Desk, app: App, options: PhaseOptions) -> Deployed:
    """Run the release phase of the newest release, which failed, once more as a new release."""
    with changing_app(desk, app, "a retry") as held:
        with desk.slugs.held():
            newest = next(iter(desk.state.releases(held, limit=1)), None)
            if newest is None or newest.status is not ReleaseStatus.FAILED:
                raise NothingToRetryError(held.name, newest.label if newest else "")
            said = f"Trying {held.name} {newest.label} once more"
            desk.narrator.step("retrying", said, release=newest.label)
            was = _RETRY.sub("", newest.description, count=1)
            record = _add_again(desk, held, newest, f"Retry of {newest.label}: {was}")
        return finished(desk, held, record, options)


def _add_again(
    desk: Desk, app: App, target: ReleaseRecord, description: str
) -> ReleaseRecord | None:
    """Raises SlugGoneError, and SlugDamagedError, before anything is changed."""
    if target.slug is not None:
        desk.slugs.require_whole(target.slug, of=f"{app.name} {target.label}")
    new = NewRelease(
        slug=target.slug,
        config_vars=target.config_vars,
        description=description,
        who=desk.who,
    )
    return add_release(desk, app, lambda _: new)


def _status(state: State, app: App, release: ReleaseRecord) -> str:
    if RolloutState(state, app).of(release.version) is not None:
        is_open = release.status is ReleaseStatus.PENDING
        return "it is being rolled out" if is_open else "it did not come up"
    ended = "has not ended" if release.status is ReleaseStatus.PENDING else "failed"
    return f"its release phase {ended}"
