"""``slug-run console``."""

from __future__ import annotations

from typing import Any

import click

from runner.command_options import one_off_options, run_words, shared_options

CONSOLE = "console"
# Looked at where it is run, because only there are the app's files.
DEFAULT = "if [ -f manage.py ]; then exec python manage.py shell; else exec python; fi"


@click.command("console")
@click.argument("words", nargs=-1, metavar="[ARG]...", type=click.UNPROCESSED)
@one_off_options
@shared_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Open the app's console in a fresh container.

    \b
      slug-run console
      slug-run console --app polls

    That is the process type `console`; in an app without one, Django's shell where
    there is a manage.py, else Python's.
    """
    words = (CONSOLE, *options.pop("words"))
    context.exit(run_words(options, words, otherwise=DEFAULT))
