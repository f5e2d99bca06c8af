"""A release that a config change makes: the same slug, other config vars, its own release phase."""

from __future__ import annotations

import os
from collections.abc import Mapping

from runner.app_option import OpenedApp
from runner.deploys.desk import Desk, settle_dead
from runner.deploys.narrator import Narrator
from runner.deploys.phase import PhaseOptions
from runner.deploys.releasing import add_release, prove_release
from runner.engine_choice import determine_engine
from runner.state.state import Edit
from runner.state.values import App, ReleaseRecord, ReleaseStatus


def release_config(
    opened: OpenedApp, app: App, edit: Edit, *, env: Mapping[str, str] = os.environ
) -> ReleaseRecord | None:
    """Make what ``edit`` makes of the current release the current one; None if it makes none.

    Only who holds the lock of ``app`` may. The release command's output goes to standard error.
    Raises ReleasePhaseError when the command fails: what was set is in the failed release then,
    and the app keeps the config vars it had.
    """
    desk = Desk(
        data_dir=opened.data_dir,
        state=opened.state,
        env=dict(env),
        who=opened.who,
        narrator=Narrator(app=app.name),
    )
    settle_dead(opened.state, opened.data_dir, app)
    with desk.slugs.held():
        record = add_release(desk, app, edit)
    if record is None or record.status is not ReleaseStatus.PENDING:
        return record
    prove_release(desk, app, record, PhaseOptions(engine=determine_engine(None, env)))
    return opened.state.release(app, record.version)
