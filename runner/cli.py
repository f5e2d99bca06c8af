"""`slug-run web --count 2` and friends: arguments in, one request made, one function called."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from buildpack.support.errors import UsageError
from buildpack.version import __version__
from runner.engine_choice import ABOUT, check_engine, determine_engine
from runner.engines import ENGINE_NAMES
from runner.front import DEFAULT_PORT, LOOPBACK
from runner.overview import overview
from runner.requests import COMMANDS, DEFAULTS, one_off_request, start_request
from runner.session import run_formation, run_one_off
from runner.signals import InterruptedEarlyError

HELP_WIDTH = 80  # fixed, so that the stored help text (runner/help.txt) is what click would print
Decorated = TypeVar("Decorated", bound=Callable[..., object])


class _SlugRun(click.Group):
    """A first word that is no command is a process type: ``slug-run web`` is ``start web``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version"}
        if args and args[0] not in self.commands and args[0] not in own:
            ctx.meta["bare"] = True
            args = ["start", *args]
        return super().parse_args(ctx, args)


def _shared_options(command: Decorated) -> Decorated:
    options = (
        click.option("--slug", "slug_file", type=click.Path(path_type=Path), metavar="FILE",
                     help="The slug to run. Default: the only *.slug file here."),
        click.option("--engine", metavar="NAME",
                     help=f"{', '.join(ENGINE_NAMES)}. Default: $SLUG_RUN_ENGINE, else embedded."),
        click.option("-e", "--env", "assignments", multiple=True, metavar="NAME=VALUE",
                     help="Set a config var. May be given again."),
        click.option("--env-file", "env_files", multiple=True, metavar="FILE",
                     type=click.Path(path_type=Path),
                     help="Set the config vars in FILE; --env beats it."),
        click.option("--memory", default=DEFAULTS["memory"], show_default=True, metavar="SIZE",
                     help="Memory of one container, or none."),
        click.option("--cpus", type=click.FloatRange(min=0.01), metavar="N",
                     help="Processors' worth of time for one container."),
        click.option("--pids", type=click.IntRange(min=8), default=DEFAULTS["pids"],
                     show_default=True, metavar="N",
                     help="Processes and threads in one container."),
        click.option("--stop-timeout", type=click.FloatRange(min=0, max=86400),
                     default=DEFAULTS["stop_timeout"], show_default=True, metavar="SECONDS",
                     help="From SIGTERM to SIGKILL."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group(
    cls=_SlugRun,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH,
                      "terminal_width": HELP_WIDTH},
    epilog="Run 'slug-run COMMAND --help' for a command's options. "
    "Documentation: docs/slug-run.md",
)  # fmt: skip
@click.version_option(__version__, prog_name="slug-run", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run a slug: its process types in containers, or one command.

    \b
      slug-run web --count 2           two web containers, until Ctrl-C
      slug-run web=2 worker=1          several process types
      slug-run run -- python -V        one command in a fresh container
      slug-run                         what the slug here can run

    A first word that is not one of the commands below is a process type.
    """
    if context.invoked_subcommand is None:
        found = overview(Path.cwd())
        click.echo(context.get_help() if found is None else found, nl=found is None)


@cli.command(context_settings={"ignore_unknown_options": False})
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
@click.option("--no-prefix", is_flag=True, help="Log lines without time and name.")
@click.option("--no-color", is_flag=True, help="No colours, whatever the terminal.")
@_shared_options
@click.pass_context
def start(context: click.Context, /, **options: Any) -> None:
    """Start process types and stay with them until Ctrl-C.

    \b
      slug-run start                   web, or the only process type there is
      slug-run web --count 2           the word start may be left out
      slug-run web=2 worker=1
      slug-run web --env DEBUG=1 --env-file .env
    """  # fmt: skip
    commands = COMMANDS if context.meta.get("bare") else ()
    outcome = run_formation(start_request(options, os.environ, Path.cwd(), commands=commands))
    if outcome.reason:
        click.echo(outcome.reason, err=True)
    context.exit(outcome.exit_code)


@cli.command(context_settings={"allow_interspersed_args": False})
@click.argument(
    "words", nargs=-1, required=True, metavar="[--] COMMAND [ARG]...", type=click.UNPROCESSED
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on standard error.")
@click.option("-x", "--exit-code", is_flag=True, hidden=True)  # heroku run's; always so here
@_shared_options
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:
    """Run one command in a fresh container and return its exit code.

    \b
      slug-run run -- python manage.py migrate
      slug-run run 'echo "$DATABASE_URL" | cut -c1-8'
      slug-run run worker --once       a process type's command, and more words

    A single word is a shell command line; of several, each is one argument.
    """  # fmt: skip
    context.exit(run_one_off(one_off_request(options, os.environ, Path.cwd())))


@cli.group()
def engine() -> None:
    """Show the engines, and what they need here."""


@engine.command("list")
def list_engines() -> None:
    """Name the engines."""
    for name in ENGINE_NAMES:
        click.echo(f"{name:<10} {ABOUT[name]}")


@engine.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check what each engine needs; exit 69 when the chosen one cannot run."""
    chosen = determine_engine(None, os.environ)
    unfit = None
    for name in ENGINE_NAMES:
        found = check_engine(name, os.environ)
        click.echo(f"{name:<10} {'ok' if found is None else 'cannot run here'}")
        for line in (found.text() if found else "").splitlines()[1:]:
            click.echo(f"           {line}".rstrip())
        unfit = found if name == chosen.name else unfit
    context.exit(0 if unfit is None else int(unfit.exit_code))


def run_cli(argv: Sequence[str]) -> int:
    """Run click without letting it end the process, and map its errors to ours."""
    try:
        code = cli.main(args=list(argv), prog_name="slug-run", standalone_mode=False)
    except click.UsageError as err:
        command = err.ctx.command_path if err.ctx else "slug-run"
        raise UsageError(err.format_message(), resolution=f"See:\n\n    {command} --help") from err
    except click.Abort as err:  # click's name for an interrupt
        if isinstance(err.__cause__, InterruptedEarlyError):
            return err.__cause__.exit_code
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else 0
