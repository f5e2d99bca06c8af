"""``slugc list``."""

from __future__ import annotations

import os
import time

import click

from slugc.commands import CONTEXT


@click.command("list", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print them as a list of JSON objects")
def command(*, as_json: bool) -> None:
    """List the slugs that were built on this machine, newest first.

    A slug whose file was moved or deleted is marked as gone; `slugc rm` forgets it.

    \b
    Examples:
      slugc list
      slugc list --json | jq -r '.[] | select(.present) | .slug'
    """
    from slugc.privileges import data_dir
    from slugc.upkeep import catalog

    slugs = catalog.catalog(data_dir(os.environ))
    if as_json:
        click.echo(catalog.as_json(slugs))
    else:
        click.echo(catalog.as_table(slugs, time.time()), nl=False)
