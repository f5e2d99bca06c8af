"""``slug-run stop``."""

from __future__ import annotations

import shlex

import click

from runner.app_option import app_option, opened_app
from runner.json_option import answer, json_option
from runner.supervision.asking import known_settings, require_up, restart
from runner.supervision.stopping import start_words, stop
from runner.supervision.telling import say


@click.command("stop")
@click.argument("words", nargs=-1, metavar="[TYPE|TYPE.N]...")
@click.option("--force", is_flag=True, help="Kill at once, without time to end.")
@app_option
@json_option
def command(words: tuple[str, ...], *, force: bool, app_name: str | None, as_json: bool) -> None:
    """Stop an app that `slug-run start -d` keeps running, or a one-off.

    \b
      slug-run stop                    the whole app; its formation is remembered
      slug-run stop web.1              this one: a fresh one takes its place
      slug-run stop run.8213           this detached one-off; `run` means all
      slug-run stop --force            what hangs: SIGKILL instead of SIGTERM

    One-offs are not stopped with the app.

    To have fewer containers of a type: slug-run scale worker=0.
    """
    from runner.one_offs.standing import chosen_one_offs, stop_one_off

    with opened_app(app_name) as opened:
        name = opened.app.name
        if not words:
            say(f"Stopping {name}")
            forgotten = start_words(known_settings(opened))
            was_running = stop(opened, at_once=force)
            said = f"Stopped {name}" if was_running else f"{name} was not running"
            if forgotten:
                again = shlex.join(("slug-run", "start", "-d", "--app", name, *forgotten))
                say(f"To start it as it was: {again}")
            answer(said, as_json=as_json, app=name, changed=was_running)
            return
        one_offs, others = chosen_one_offs(opened, words)
        for one_off in one_offs:
            say(f"Stopping {one_off.name}")
            stop_one_off(one_off, at_once=force)
        if others:
            doing = f"Stopping {', '.join(others)}; the formation asks for as many, so others start"
            require_up(opened, restart(opened, others, doing=doing, at_once=force))
        ended = [*(one_off.name for one_off in one_offs), *others]
        answer(f"Stopped {', '.join(ended)}", as_json=as_json, app=name, changed=True)
