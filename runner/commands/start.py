"""``slug-run start``, and what is meant when a process type is the first word."""

from __future__ import annotations

import os
from typing import Any

import click

from buildpack.support.errors import UsageError
from runner.command_options import shared_options
from runner.front import DEFAULT_PORT, LOOPBACK
from runner.json_option import answer, json_option
from runner.requests import COMMANDS, DEFAULTS, current_dir, start_request
from runner.rollout_options import given_words, rollout_options
from runner.session import run_formation

_DEFAULT = click.core.ParameterSource.DEFAULT


@click.command("start")
@click.argument("types", nargs=-1, metavar="[TYPE[=N]]...")
@click.option("--count", metavar="N", help="Containers of the one TYPE named. Default: 1.")
@click.option("-c", "--concurrency", metavar="TYPE=N,...", help="Quantities, as honcho takes them.")
@click.option(
    "-p",
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help=f"Where the web containers answer.  [default: {DEFAULT_PORT}]",
)
@click.option(
    "--bind",
    default=LOOPBACK,
    show_default=True,
    metavar="ADDRESS",
    help="The address the port is opened on.",
)
@click.option(
    "--boot-timeout",
    type=click.FloatRange(min=0.1, max=3600),
    default=DEFAULTS["boot_timeout"],
    show_default=True,
    metavar="SECONDS",
    help="How long a web container may take to listen on its PORT.",
)
@click.option("--exit-on-crash", is_flag=True, help="Stop all when one ends, with its code.")
@click.option("-d", "--detach", is_flag=True, help="Leave the app running, and return.")
@click.option(
    "--metrics/--no-metrics",
    default=None,
    help="With --detach: log memory and load of each container every 20 seconds.",
)
@click.option("--overcommit", is_flag=True, help="Start them also where memory is short.")
@click.option(
    "--router-log/--no-router-log",
    default=None,
    help="A log line for each request. Default: with --detach.",
)
@click.option(
    "--request-timeout",
    metavar="SECONDS",
    help="How long the app may take to begin an answer, or none. Default: 30s with --detach.",
)
@click.option("--no-prefix", is_flag=True, help="Log lines without time and name.")
@click.option("--no-color", is_flag=True, help="No colours, whatever the terminal.")
@rollout_options
@shared_options
@json_option
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Start process types and stay with them until Ctrl-C.

    \b
      slug-run start                   web, or the only process type there is
      slug-run web --count 2           the word start may be left out
      slug-run web=2 worker=1
      slug-run web --env DEBUG=1 --env-file .env
    """  # fmt: skip
    if options["detach"]:
        from runner.supervision.detached import start_detached

        typed = [x for x in options if context.get_parameter_source(x) is not _DEFAULT]
        started = start_detached(options, os.environ, typed=typed)
        answer(started.text, as_json=options["as_json"], app=started.app, **started.facts)
        return
    if options["as_json"]:
        raise UsageError(
            "--json cannot be used without --detach",
            details="Who is attached gets the log, which is the app's.",
            resolution="Leave it out, or:\n\n    slug-run start -d --json",
        )
    if options["metrics"] is not None:
        raise UsageError(
            "--metrics cannot be used without --detach",
            details="Who is attached may look: slug-run start -d is what writes them to a log.",
            resolution="Leave it out, or:\n\n    slug-run start -d --metrics",
        )
    if words := given_words(options):
        raise UsageError(
            f"{', '.join(words)} cannot be used without --detach",
            details="Only what is left running has its containers replaced by others.",
            resolution=f"Leave it out, or:\n\n    slug-run start -d {words[0]} ...",
        )
    commands = COMMANDS if context.meta.get("bare") else ()
    outcome = run_formation(start_request(options, os.environ, current_dir(), commands=commands))
    if outcome.reason:
        click.echo(outcome.reason, err=True)
    context.exit(outcome.exit_code)
