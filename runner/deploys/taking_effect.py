"""After a release: the app's supervisor replaces what runs."""

from __future__ import annotations

from runner.deploys.deploy import Deployed
from runner.deploys.desk import Desk


def take_effect(desk: Desk, deployed: Deployed) -> None:
    """Wait until what runs is what was released, where the app is kept running.

    Not while the app is locked: containers may take a minute to come up. Also for a release that
    was there before: whoever made it may have been killed before this. Raises NotUpError.
    """
    app = deployed.app
    if desk.state.supervision(app) is None:
        said = f"{app.name} is not running: slug-run start -d --app {app.name}"
        desk.narrator.step("not-running", said)
        return
    from runner.supervision.asking import NotUpError
    from runner.supervision.poke import poke

    settled = poke(desk.data_dir, app, on_event=desk.narrator.container, env=desk.env)
    if settled is not None and not settled.ok:
        names = [str(each["name"]) for each in settled.containers if each["state"] != "up"]
        raise NotUpError(app.name, names)
