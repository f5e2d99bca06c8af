"""``slug-run engine``: list and doctor."""

from __future__ import annotations

import os

import click

from runner.engine_choice import ABOUT, check_engine, determine_engine
from runner.engines import ENGINE_NAMES


@click.group("engine")
def command() -> None:
    """Show the engines, and what they need here.

    \b
      slug-run engine list             their names
      slug-run engine doctor           what each needs, and whether it is there
    """


@command.command("list")
def list_engines() -> None:
    """Name the engines."""
    for name in ENGINE_NAMES:
        click.echo(f"{name:<10} {ABOUT[name]}")


@command.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check what each engine needs; exit 69 when the chosen one cannot run."""
    chosen = determine_engine(None, os.environ)
    unfit = None
    for name in ENGINE_NAMES:
        found = check_engine(name, os.environ)
        click.echo(f"{name:<10} {'ok' if found is None else 'cannot run here'}")
        for line in (found.text() if found else "").splitlines()[1:]:
            click.echo(f"           {line}".rstrip())
        unfit = found if name == chosen.name else unfit
    context.exit(0 if unfit is None else int(unfit.exit_code))
