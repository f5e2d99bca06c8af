"""``slug-run engine``: list and doctor."""

from __future__ import annotations

import json
import os

import click

from runner.engine_choice import ABOUT, check_engine, determine_engine
from runner.engines import ENGINE_NAMES
from runner.errors import EngineUnavailableError
from runner.json_option import json_option


@click.group("engine")
def command() -> None:
    """Show the engines, and what they need here.

    \b
      slug-run engine list             their names
      slug-run engine doctor           what each needs, and whether it is there
    """


@command.command("list")
@json_option
def list_engines(*, as_json: bool) -> None:
    """Name the engines."""
    if as_json:
        rows = [{"name": name, "about": ABOUT[name]} for name in ENGINE_NAMES]
        click.echo(json.dumps(rows, indent=2))
        return
    for name in ENGINE_NAMES:
        click.echo(f"{name:<10} {ABOUT[name]}")


@command.command()
@json_option
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    """Check what each engine needs; exit 69 when the chosen one cannot run."""
    chosen = determine_engine(None, os.environ).name
    found = {name: check_engine(name, os.environ) for name in ENGINE_NAMES}
    if as_json:
        rows = [_document(name, error, chosen) for name, error in found.items()]
        click.echo(json.dumps(rows, indent=2))
    for name, error in () if as_json else found.items():
        click.echo(f"{name:<10} {'ok' if error is None else 'cannot run here'}")
        for line in (error.text() if error else "").splitlines()[1:]:
            click.echo(f"           {line}".rstrip())
    unfit = found[chosen]
    context.exit(0 if unfit is None else int(unfit.exit_code))


def _document(name: str, error: EngineUnavailableError | None, chosen: str) -> dict[str, object]:
    return {
        "name": name,
        "chosen": name == chosen,
        "ok": error is None,
        "problems": [] if error is None else list(error.problems),
        "remedies": [] if error is None else list(error.remedies),
    }
