"""``slug-run run``."""

from __future__ import annotations

import os
from typing import Any

import click

from runner.command_options import one_off_options, shared_options
from runner.requests import current_dir, one_off_request
from runner.session import run_one_off


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.argument(
    "words", nargs=-1, required=True, metavar="[--] COMMAND [ARG]...", type=click.UNPROCESSED
)
@click.option("-x", "--exit-code", is_flag=True, hidden=True)  # heroku run's; always so here
@click.option("--no-exit-code", is_flag=True, help="Exit with 0 whatever the command's code was.")
@click.option(
    "-d", "--detach", "--detached", is_flag=True, help="Leave it running, its output in the log."
)
@one_off_options
@shared_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Run one command in a fresh container and return its exit code.

    \b
      slug-run run -- python manage.py migrate
      slug-run run 'echo "$DATABASE_URL" | cut -c1-8'
      slug-run run worker --once       a process type's command, and more words
      slug-run run --size standard-2x -- python manage.py import
      slug-run run --detach --time-limit 2h -- python manage.py import

    A single word is a shell command line; of several, each is one argument.
    """  # fmt: skip
    if options["detach"]:
        from runner.one_offs.detach import run_detached

        click.echo(run_detached(options, os.environ, current_dir()))
        return
    code = run_one_off(one_off_request(options, os.environ, current_dir()))
    context.exit(0 if options["no_exit_code"] else code)
