"""``slug-run stop``."""

from __future__ import annotations

import click

from runner.app_option import app_option, opened_app
from runner.supervision.asking import require_up, restart
from runner.supervision.stopping import stop
from runner.supervision.telling import say


@click.command("stop")
@click.argument("words", nargs=-1, metavar="[TYPE|TYPE.N]...")
@click.option("--force", is_flag=True, help="Kill at once, without time to end.")
@app_option
def command(words: tuple[str, ...], *, force: bool, app_name: str | None) -> None:
    """Stop an app that `slug-run start -d` keeps running, or a one-off.

    \b
      slug-run stop                    the whole app; its formation is remembered
      slug-run stop web.1              this one: a fresh one takes its place
      slug-run stop run.8213           this detached one-off; `run` means all
      slug-run stop --force            what hangs: SIGKILL instead of SIGTERM

    One-offs are not stopped with the app.

    To have fewer containers of a type: slug-run scale worker=0.
    """
    from runner.one_offs.standing import stop_one_offs

    with opened_app(app_name) as opened:
        name = opened.app.name
        if words and not (words := stop_one_offs(opened, words, at_once=force)):
            return
        if words:
            doing = f"Stopping {', '.join(words)}; the formation asks for as many, so others start"
            require_up(opened, restart(opened, words, doing=doing, at_once=force))
            return
        say(f"Stopping {name}")
        click.echo(f"Stopped {name}" if stop(opened, at_once=force) else f"{name} was not running")
