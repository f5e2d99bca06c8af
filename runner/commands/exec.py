"""``slug-run exec``."""

from __future__ import annotations

import os

import click

from runner.app_option import app_option, opened_app


@click.command("exec", context_settings={"allow_interspersed_args": False})
@click.argument("name", metavar="TYPE.N")
@click.argument("words", nargs=-1, metavar="[--] [COMMAND] [ARG]...", type=click.UNPROCESSED)
@click.option(
    "--stop-timeout",
    type=click.FloatRange(min=0, max=86400),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="From SIGTERM to SIGKILL.",
)
@app_option
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    name: str,
    words: tuple[str, ...],
    stop_timeout: float,
    app_name: str | None,
) -> None:
    """Run a command inside a running container and return its exit code.

    \b
      slug-run exec web.1              a shell in there
      slug-run exec web.1 -- ps aux
      slug-run exec -a polls worker.2 'echo "$DYNO" && date' < /dev/null

    The command has the container's own walls, limits, files and config vars, and
    ends when the container does. A single word is a shell command line.
    """  # fmt: skip
    from runner.one_offs.inside import ExecRequest, run_inside

    # click takes the two dashes before the command for itself only where no word stands before.
    given = words[1:] if words[:1] == ("--",) else words
    request = ExecRequest(name=name, words=given, env=os.environ, stop_timeout=stop_timeout)
    with opened_app(app_name) as opened:
        context.exit(run_inside(opened, request))
