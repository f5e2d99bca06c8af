"""Going back: to an earlier release, or once more at one that failed."""

from __future__ import annotations

import re

from buildpack.support.values import changed
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


def choose_retry(state: State, app: App) -> ReleaseRecord:
    """What to try again: the newest release, if that failed. Or the last one whose slug did, if
    only config vars were changed since, which mended it: with these. Raises NothingToRetryError."""
    releases = state.releases(app)
    if releases and releases[0].status is ReleaseStatus.FAILED:
        return releases[0]
    current = state.current(app)
    slug = None if current is None else current.slug
    other = next((each for each in releases if each.slug != slug), None)
    if current is not None and other is not None and other.status is ReleaseStatus.FAILED:
        ran = (each for each in releases if each.status is ReleaseStatus.SUCCEEDED)
        before = next((each for each in ran if each.version < other.version), None)
        if (None if before is None else before.slug) == slug:
            return changed(other, config_vars=current.config_vars)
    raise NothingToRetryError(app.name, releases[0].label if releases else "")


def retry(desk: Desk, app: App, options: PhaseOptions) -> Deployed:
    """Run the release phase of a release that failed once more, as a new release."""
    with changing_app(desk, app, "a retry") as held:
        with desk.slugs.held():
            failed = choose_retry(desk.state, held)
            said = f"Trying {held.name} {failed.label} once more"
            desk.narrator.step("retrying", said, release=failed.label)
            was = _RETRY.sub("", failed.description, count=1)
            record = _add_again(desk, held, failed, f"Retry of {failed.label}: {was}")
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
