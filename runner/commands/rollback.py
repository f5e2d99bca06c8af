"""``slug-run rollback``."""

from __future__ import annotations

from typing import Any

import click

from runner.app_option import app_option
from runner.deploys.options import (
    chosen_app,
    desk_of_command,
    phase_options,
    read_phase_options,
)
from runner.deploys.rollback import parse_version, roll_back
from runner.deploys.told import tell_result
from runner.json_option import json_option


@click.command("rollback")
@click.argument("release", required=False, metavar="[vN]")
@app_option
@phase_options
@json_option
def command(release: str | None, **options: Any) -> None:
    """Go back to an earlier release: its slug and its config vars.

    \b
      slug-run rollback                the one that ran before
      slug-run rollback v7 --app polls

    That makes a new release, after its release command, if it has one. Databases
    and the formation stay as they are.
    """
    with desk_of_command(options) as desk:
        app = chosen_app(desk, options["app_name"])
        version = None if release is None else parse_version(release)
        done = roll_back(desk, app, version, read_phase_options(options))
        said = f"{done.release.description} done: {app.name} {done.release.label}"
        tell_result(desk, done, done=said, same=said)
