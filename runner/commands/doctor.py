"""``slug-run doctor``."""

from __future__ import annotations

import json
import os

import click

from runner.engine_choice import determine_engine
from runner.engines import ENGINE_NAMES


@click.command("doctor")
@click.option("--engine", type=click.Choice(ENGINE_NAMES), help="The engine that has to run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def command(context: click.Context, *, engine: str | None, as_json: bool) -> None:
    """Tell what this machine can do, and how to fix what it cannot.

    \b
      slug-run doctor                  each thing that is looked at, and its fix
      slug-run doctor --engine docker  if Docker is to run the containers
      slug-run doctor --json           for programs

    Nothing is changed. Exit code 69: no container can be started; 1: something
    else has to be fixed.
    """
    from runner.doctor import findings
    from runner.doctor.checkup import examine

    chosen = determine_engine(engine, os.environ).name
    found = examine(chosen, os.environ)
    if as_json:
        click.echo(json.dumps(findings.as_json(found, chosen), indent=2))
    else:
        click.echo(findings.report(found))
    context.exit(int(findings.exit_code(found)))
