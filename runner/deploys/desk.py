"""Desk: what every change of an app stands on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from buildpack.support.values import value
from runner.app_lock import PATIENCE, app_dir, app_lock
from runner.deploys.kept_slugs import KeptSlugs
from runner.deploys.narrator import Narrator
from runner.deploys.release_output import ReleaseOutput, output_file
from runner.state.rollouts import STOPPED, RolloutState
from runner.state.state import State, opened_state
from runner.state.values import App, ReleaseStatus
from runner.who import determine_who
from slugc.privileges import data_dir


@value
class Desk:
    """Where the apps are, who changes one of them, and who hears about it."""

    data_dir: Path
    state: State
    env: Mapping[str, str]
    who: str
    narrator: Narrator
    patience: float = PATIENCE
    """seconds to wait for others who change the same app"""

    @property
    def slugs(self) -> KeptSlugs:
        return KeptSlugs(self.data_dir)

    def output_of(self, app: App, version: int) -> ReleaseOutput:
        return ReleaseOutput(output_file(app_dir(self.data_dir, app), version))


@contextlib.contextmanager
def opened_desk(env: Mapping[str, str], narrator: Narrator) -> Iterator[Desk]:
    """The desk of the person who has typed a command."""
    directory = data_dir(env)
    with opened_state(directory) as state:
        yield Desk(
            data_dir=directory,
            state=state,
            env=dict(env),
            who=determine_who(env),
            narrator=narrator,
        )


@contextlib.contextmanager
def changing_app(desk: Desk, app: App, doing: str) -> Iterator[App]:
    """Hold the app for a change; what somebody who was killed has left is settled first."""
    with app_at_rest(
        desk.state,
        desk.data_dir,
        app,
        doing=doing,
        who=desk.who,
        patience=desk.patience,
        tell=lambda line: desk.narrator.step("waiting", line),
    ) as held:
        yield held


@contextlib.contextmanager
def app_at_rest(  # noqa: PLR0913  # as of app_lock
    state: State,
    data_dir: Path,
    app: App,
    *,
    doing: str,
    who: str,
    patience: float,
    tell: Callable[[str], None],
) -> Iterator[App]:
    """Hold the app while no release of it is rolled out: what comes next builds on the verdict.

    The lock is free meanwhile, so that the app can be scaled and stopped.
    """
    while True:
        with app_lock(
            state, data_dir, app, doing=doing, who=who, patience=patience, tell=tell
        ) as x:
            settle_dead(state, data_dir, x)
            rollout = RolloutState(state, x).current()
            if rollout is None:
                yield x
                return
        tell(f"Waiting for {app.name}: v{rollout.version} is being rolled out.")
        # Not where nothing is rolled out: it takes a while to import.
        from runner.supervision.poke import poke

        poke(data_dir, app)


def settle_dead(state: State, data_dir: Path, app: App) -> None:
    """Call failed what is pending. Only who holds the app's lock may: whoever makes a release
    holds it until the release phase has ended, so a pending one is nobody's any more; or it is
    rolled out, and its supervisor's for as long as the app is kept running."""
    rollouts = RolloutState(state, app)
    rollout = rollouts.current()
    if rollout is not None and state.supervision(app) is None:
        rollouts.fail(rollout.version, STOPPED)
    for release in state.releases(app):
        if rollout is not None and release.version == rollout.version:
            continue
        if release.status is ReleaseStatus.PENDING:
            path = output_file(app_dir(data_dir, app), release.version)
            ReleaseOutput(path).note("slug-run was killed before the release phase had ended")
            state.set_status(app, release.version, ReleaseStatus.FAILED)


def settle_if_nobody_works(desk: Desk, app: App) -> None:
    """``settle_dead`` for who only looks: not while somebody holds the app."""
    from runner.app_lock import AppLockedError

    if not any(x.status is ReleaseStatus.PENDING for x in desk.state.releases(app)):
        return
    if not os.access(desk.data_dir, os.W_OK):
        return
    with (
        contextlib.suppress(AppLockedError),
        app_lock(desk.state, desk.data_dir, app, doing="a look", who=desk.who, patience=0) as held,
    ):
        settle_dead(desk.state, desk.data_dir, held)
