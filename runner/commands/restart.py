"""``slug-run restart``."""

from __future__ import annotations

import click

from runner.app_option import app_option, opened_app
from runner.json_option import answer, json_option
from runner.supervision.asking import require_up, restart
from runner.supervision.table import containers_document


@click.command("restart")
@click.argument("words", nargs=-1, metavar="[TYPE|TYPE.N]...")
@app_option
@json_option
def command(words: tuple[str, ...], *, app_name: str | None, as_json: bool) -> None:
    """Replace containers by fresh ones of the same release.

    \b
      slug-run restart                 all of them
      slug-run restart worker
      slug-run restart web.1
    """
    with opened_app(app_name) as opened:
        named = ", ".join(words) or opened.app.name
        settled = restart(opened, words, doing=f"Restarting {named}")
        require_up(opened, settled)
        containers = containers_document(settled.containers)
        answer(f"Restarted {named}", as_json=as_json, app=opened.app.name, containers=containers)
