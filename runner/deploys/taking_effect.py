"""After a release: the app's supervisor replaces what runs."""

from __future__ import annotations

from runner.deploys.deploy import Deployed
from runner.deploys.desk import Desk


def take_effect(desk: Desk, deployed: Deployed) -> None:
    """Wait until what runs is what was released, where the app is kept running.

    Not while the app is locked: containers may take a minute to come up. Also for a release that
    was there before: whoever made it may have been killed before this. Raises NotUpError and
    RolloutFailedError.
    """
    app = deployed.app
    version = deployed.release.version
    if desk.state.supervision(app) is None:
        from runner.deploys.verdict import raise_failure

        raise_failure(desk.state, app, version)  # stopped in this moment
        said = f"{app.name} is not running: slug-run start -d --app {app.name}"
        desk.narrator.step("not-running", said)
        return
    from runner.deploys.verdict import await_verdict

    await_verdict(
        desk.state,
        desk.data_dir,
        app,
        version,
        on_event=desk.narrator.container,
        env=desk.env,
    )
