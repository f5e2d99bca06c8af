"""``slug-run logs``."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from buildpack.support.output import wants_color
from runner.app_option import app_option, opened_app
from runner.logbook.place import log_dir
from runner.logbook.reader import Filter, LogReader
from runner.logbook.shown import Formatter, follow, show


@click.command("logs")
@app_option
@click.option("-t", "--tail", is_flag=True, help="Show new lines as they come, until Ctrl-C.")
@click.option(
    "-n",
    "--num",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="How many of the last lines to begin with.",
)
@click.option(
    "-p",
    "--ps",
    "--process",
    "process_types",
    multiple=True,
    metavar="TYPE",
    help="Lines of that process type only: web. Several times: of each.",
)
@click.option(
    "-d",
    "--dyno",
    "names",
    multiple=True,
    metavar="NAME",
    help="Lines of that container only: web.1. Several times: of each.",
)
@click.option(
    "-s",
    "--source",
    type=click.Choice(["app", "slug-run"]),
    help="Lines the app wrote, or slug-run.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--no-color", is_flag=True, help="No colours, whatever the terminal.")
def command(**options: Any) -> None:
    """Show what an app wrote, and what slug-run has to say of it.

    \b
      slug-run logs                    the last 100 lines
      slug-run logs -t -p web          the web containers', and new ones as they come
      slug-run logs -n 1000 -s app --json

    Works whether the app runs or not.
    """
    color = not options["no_color"] and wants_color(sys.stdout, os.environ)
    formatted = Formatter(color=color, as_json=options["as_json"])
    wanted = Filter(
        process_types=options["process_types"],
        names=options["names"],
        source=options["source"] or "",
    )
    with opened_app(options["app_name"]) as opened:
        directory = log_dir(opened.data_dir, opened.app)
        app = opened.app.name
    reader = LogReader(directory, wanted.wants)
    reader.start_at_last(options["num"])
    sys.stdout.flush()
    if options["tail"]:
        follow(reader, formatted, sys.stdout.fileno(), missed=_say_missed)
    elif not show(reader.lines(), formatted, sys.stdout.fileno()) and options["num"]:
        # Who mistypes a name would take it for an app that is silent.
        found = "is empty" if wanted == Filter() else "has no such line"
        click.echo(f"The log of {app} {found}.", err=True)


def _say_missed(files: int) -> None:
    click.echo(f"slug-run: {files} log file(s) were removed before they could be shown", err=True)
