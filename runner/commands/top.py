"""``slug-run top``."""

from __future__ import annotations

import os
import sys

import click

from runner.app_option import app_option, opened_app


@click.command("top")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2, max=3600),
    default=2,
    show_default=True,
    metavar="SECONDS",
    help="Time between two pictures.",
)
@click.option("--once", is_flag=True, help="One picture, as plain lines.")
@click.option("--json", "as_json", is_flag=True, help="One picture, as a JSON object.")
@app_option
@click.pass_context
def command(
    context: click.Context, /, *, interval: float, once: bool, as_json: bool, app_name: str | None
) -> None:
    """Watch an app's containers: processor, memory, restarts, requests.

    \b
      slug-run top
      slug-run top --app polls --interval 5
      slug-run top --once              for scripts, and where there is no terminal
    """
    from runner.terminal import is_terminal
    from runner.top.command import watch_on, watch_once

    with opened_app(app_name) as opened:
        name = opened.app.name
    has_screen = is_terminal(0, 1) and os.environ.get("TERM", "dumb") != "dumb"
    if once or as_json or not has_screen:
        click.echo(watch_once(name, os.environ, interval=interval, as_json=as_json), nl=False)
        return
    context.exit(watch_on(name, os.environ, interval=interval, stream=sys.stdout))
