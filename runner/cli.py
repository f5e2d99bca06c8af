"""``slug-run`` as click reads it: a group whose commands are the files of ``runner/commands``."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from importlib import import_module

import click

from buildpack.support.errors import UsageError
from buildpack.version import __version__
from runner import commands
from runner.heroku_words import spelled_out
from runner.requests import COMMANDS, current_dir
from runner.signals import InterruptedEarlyError

HELP_WIDTH = 80  # fixed, so that the stored help text (runner/help.txt) is what click would print


class _SlugRun(click.Group):
    """A first word that is no command is a process type: ``slug-run web`` is ``start web``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version"}
        if args:
            args = [*spelled_out(args[0]), *args[1:]]
        if args and args[0] not in COMMANDS and args[0] not in own:
            ctx.meta["bare"] = True
            args = ["start", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = import_module(f"{commands.__name__}.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found


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
        from runner.overview import overview

        found = overview(current_dir())
        click.echo(context.get_help() if found is None else found, nl=found is None)


def run_cli(argv: Sequence[str]) -> int:
    """Run click without letting it end the process, and map its errors to ours."""
    try:
        code = cli.main(args=list(argv), prog_name="slug-run", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as err:  # a group alone: `slug-run engine`
        click.echo(err.format_message())
        return 0
    except click.UsageError as err:
        typed = " ".join(("slug-run", *(word for word in argv[:1] if word in COMMANDS)))
        command = err.ctx.command_path if err.ctx else typed
        raise UsageError(err.format_message(), resolution=f"See:\n\n    {command} --help") from err
    except click.Abort as err:  # click's name for an interrupt
        if isinstance(err.__cause__, InterruptedEarlyError):
            return err.__cause__.exit_code
        return 128 + signal.SIGINT
    except SystemExit as err:
        # All that click itself ends for, asked not to, is that nobody reads our output any more.
        raise BrokenPipeError from err
    return code if isinstance(code, int) else 0
