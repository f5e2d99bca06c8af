"""``slug-run service``."""

from __future__ import annotations

import os

import click

from runner.app_option import OpenedApp, app_option, opened_app
from runner.json_option import answer, json_option
from runner.supervision.asking import known_settings
from runner.supervision.service import Unit, install, plan_unit, remove


@click.group("service")
def command() -> None:
    """Let an app come back when the machine starts, by a systemd unit.

    \b
      slug-run service install         the system's, or your own if you are not root
      slug-run service install --print
      slug-run service remove
    """


@command.command("install")
@click.option("--print", "prints", is_flag=True, help="Only show the unit.")
@app_option
@json_option
def install_(*, prints: bool, app_name: str | None, as_json: bool) -> None:
    """Start the app with the machine."""
    from buildpack.support.command import capture

    with opened_app(app_name) as opened:
        unit = _unit(opened)
        if prints:
            click.echo(unit.text, nl=False)
            return
        install(opened.app.name, unit, os.environ, run=capture)
        said, path = f"Installed {unit.path}", str(unit.path)
        answer(said, as_json=as_json, app=opened.app.name, unit=path, changed=True)


@command.command("remove")
@app_option
@json_option
def remove_(*, app_name: str | None, as_json: bool) -> None:
    """Leave the app out when the machine starts."""
    from buildpack.support.command import capture

    with opened_app(app_name) as opened:
        unit = _unit(opened)
        is_removed = remove(opened.app.name, unit, os.environ, run=capture)
        said = f"Removed {unit.path}" if is_removed else f"There is no {unit.path}"
        path = str(unit.path)
        answer(said, as_json=as_json, app=opened.app.name, unit=path, changed=is_removed)


@command.command("run", hidden=True)
@app_option
def run(*, app_name: str | None) -> None:
    """What the unit starts."""
    from runner.app_lock import app_dir
    from runner.supervision.client import supervisor_dir
    from runner.supervision.service import become_keeper

    with opened_app(app_name) as opened:
        number, directory = opened.app.number, app_dir(opened.data_dir, opened.app)
    become_keeper(number, supervisor_dir(directory), os.environ)


def _unit(opened: OpenedApp) -> Unit:
    settings = known_settings(opened)
    env = {**os.environ, "SLUGKIT_HOME": str(opened.data_dir)}
    return plan_unit(
        opened.app.name, env, stop_timeout=settings.stop_timeout, is_root=os.getuid() == 0
    )
