"""``slugc explain``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import current_dir


@click.command(
    "explain",
    context_settings=CONTEXT,
    short_help="Say why PATH is in SLUG, or what was left out and why.",
)
@click.argument("slug", metavar="SLUG")
@click.argument("path", metavar="[PATH]", default="")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON")
def command(slug: str, path: str, *, as_json: bool) -> None:
    """Say why PATH is in SLUG, or was left out; without PATH, what was left out.

    PATH is relative to the app: manage.py, ./manage.py and /app/manage.py are one file.

    \b
    Examples:
      slugc explain polls.slug
      slugc explain polls.slug docs/notes.md
      slugc explain polls.slug .heroku/venv/bin/django-admin --json
    """
    from slugc.inspection.explain_command import explain_from_options

    text = explain_from_options(slug, path, as_json=as_json, env=os.environ, cwd=current_dir())
    click.echo(text, nl=False)
