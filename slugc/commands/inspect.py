"""``slugc inspect``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import current_dir


@click.command("inspect", context_settings=CONTEXT)
@click.argument("slug", metavar="SLUG", required=False)
@click.option(
    "--tree",
    metavar="[DEPTH|PATH]",
    is_flag=False,
    flag_value="",
    help="Show directories and files by size [default: two levels; PATH:DEPTH is both]",
)
@click.option("--sizes", is_flag=True, help="Show what each package weighs, and the largest files")
@click.option("--procfile", is_flag=True, help="Print the process types as a Procfile")
@click.option("--sbom", is_flag=True, help="Print what is installed as a CycloneDX document")
@click.option("--html", metavar="FILE|-", help="Write a page to look at in a browser")
@click.option("--json", "as_json", is_flag=True, help="Print what would be shown as JSON")
def command(slug: str | None, **options: object) -> None:
    """Show what is in SLUG without unpacking it.

    \b
    Examples:
      slugc inspect polls.slug
      slugc inspect polls.slug --sizes
      slugc inspect polls.slug --tree .heroku/venv:3
      slugc inspect polls.slug --html polls.html
      slugc inspect polls.slug --json | jq .process_types
    """
    from slugc.inspection.inspect_command import inspect_from_options

    click.echo(inspect_from_options(slug, options, env=os.environ, cwd=current_dir()), nl=False)
