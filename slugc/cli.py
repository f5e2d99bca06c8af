"""``slugc`` as click reads it: a group whose commands are the files of ``slugc/commands``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import click

from buildpack.support.errors import ExitCode
from slugc import commands
from slugc.command_line import LineEndedError
from slugc.commands import CONTEXT, command_files


def run_click(argv: Sequence[str]) -> int:
    """Run one command; what click objects to becomes an error of ours.

    A command whose answer is an exit code, as diff(1)'s, ends with ``Context.exit``.
    """
    try:
        code = slugc.main(args=list(argv), prog_name="slugc", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as err:
        click.echo(err.format_message())
    except click.ClickException as err:
        from slugc.usage_errors import spoken  # a mistake is rare

        raise spoken(err) from err
    except click.Abort as err:
        raise LineEndedError from err
    except SystemExit as err:
        # All that click itself ends for, asked not to, is that nobody reads our output any more.
        raise BrokenPipeError from err
    else:
        return code if isinstance(code, int) else ExitCode.OK
    return ExitCode.OK


class _Commands(click.Group):
    """Finds a command by its file, and imports no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_FILES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        file = _FILES.get(cmd_name)
        if file is None:
            return None
        found = import_module(f"{commands.__name__}.{file}").command
        assert isinstance(found, click.Command)
        return found


_FILES = command_files()


@click.command(cls=_Commands, context_settings=CONTEXT, no_args_is_help=True)
@click.version_option(package_name="slugkit", message="slugc %(version)s")
def slugc() -> None:
    """Turn a source directory into a slug: one file that runs anywhere.

    \b
    Examples:
      slugc build path/to/app
      slugc build . -o app.slug && slug-run web --slug app.slug
      slugc inspect app.slug
    """
