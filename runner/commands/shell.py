"""``slug-run shell``."""

from __future__ import annotations

from typing import Any

import click

from runner.command_options import one_off_options, run_words, shared_options


@click.command("shell")
@one_off_options
@shared_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Open a shell in a fresh container, with the app's config vars.

    \b
      slug-run shell
      slug-run shell --app polls --env DEBUG=1
      slug-run shell < check.sh        a script of yours, in there

    For one in a container that runs: slug-run exec web.1
    """
    # By its path, so that no process type is meant.
    context.exit(run_words(options, ("/bin/bash",)))
