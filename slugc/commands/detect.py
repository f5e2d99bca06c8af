"""``slugc detect``."""

from __future__ import annotations

import os

import click

from slugc.commands import CONTEXT
from slugc.plain_build import DETECT_TIMEOUT, current_dir


@click.command("detect", context_settings=CONTEXT)
@click.argument("source", metavar="[SRC]", default=".")
@click.option(
    "-b", "--buildpack", "buildpacks", metavar="SPEC", multiple=True, help="Ask these alone"
)
@click.option(
    "--sandbox",
    type=click.Choice(["embedded", "docker", "none"]),
    envvar="SLUGC_SANDBOX",
    help="Where bin/detect runs [default: embedded, where it can; env: SLUGC_SANDBOX]",
)
@click.option(
    "--detect-timeout",
    type=float,
    default=DETECT_TIMEOUT,
    metavar="SECONDS",
    help="Stop a bin/detect that takes longer [default: 60]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON")
def command(source: str, **options: object) -> None:
    """Name the buildpacks that recognise the app in SRC.

    Prints what each calls the app, a tab, and its name; ends with 1 if none does. Asked are the
    buildpacks a build would use; where nobody names any, all that are installed.

    \b
    Examples:
      slugc detect
      slugc detect path/to/app -b https://host/owner/buildpack#v1.2
    """
    from slugc.buildpacks.command import detect

    click.echo(detect(source, options, env=os.environ, cwd=current_dir()))
