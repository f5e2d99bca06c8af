"""``slugc lint``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import current_dir


@click.command(
    "lint",
    context_settings=CONTEXT,
    short_help="Say what a build of SRC would stumble over.",
)
@click.argument("source", metavar="[SRC]", default=".")
@click.option("--json", "as_json", is_flag=True, help="Print them as a list of JSON objects")
def command(source: str, *, as_json: bool) -> None:
    """Say what a build of the directory SRC would stumble over, without building it.

    Looks at the Procfile, .slugignore, .env, app.json, .buildpacks and buildpacks.lock, at files
    that no slug can hold, at what looks like a secret, and, where our own buildpack would build
    the app, at what that thinks of it. Prints FILE:LINE:COLUMN: SEVERITY: TEXT [ID].

    The exit code is 65 when there are errors, with which a build fails; 1 when there are warnings;
    else 0.

    \b
    Examples:
      slugc lint
      slugc lint path/to/app --json | jq '.[] | select(.severity == "error")'
    """
    from slugc.linting.lint import lint_from_options

    text, summary, code = lint_from_options(
        source, as_json=as_json, env=os.environ, cwd=current_dir()
    )
    click.echo(text, nl=False)
    if summary:
        click.echo(summary, err=True)
    click.get_current_context().exit(code)
