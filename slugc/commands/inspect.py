"""``slugc inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from slugc.commands import CONTEXT


@click.command("inspect", context_settings=CONTEXT)
@click.argument("slug", metavar="SLUG")
@click.option("--json", "as_json", is_flag=True, help="Print everything the slug says about itself")
@click.option("--procfile", is_flag=True, help="Print the process types as a Procfile")
def command(slug: str, *, as_json: bool, procfile: bool) -> None:
    """Show what is in SLUG without unpacking it.

    \b
    Examples:
      slugc inspect polls.slug
      slugc inspect polls.slug --json | jq .process_types
    """
    from slugc import inspect as inspection
    from slugc.slug import read_slug

    found = read_slug(Path(slug))
    if as_json:
        click.echo(inspection.as_json(found))
    elif procfile:
        click.echo(inspection.as_procfile(found), nl=False)
    else:
        click.echo(inspection.summary(found), nl=False)
