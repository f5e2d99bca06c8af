"""``slug-run restart``."""

from __future__ import annotations

import click

from runner.app_option import app_option, opened_app
from runner.supervision.asking import require_up, restart


@click.command("restart")
@click.argument("words", nargs=-1, metavar="[TYPE|TYPE.N]...")
@app_option
def command(words: tuple[str, ...], *, app_name: str | None) -> None:
    """Replace containers by fresh ones of the same release.

    \b
      slug-run restart                 all of them
      slug-run restart worker
      slug-run restart web.1
    """
    with opened_app(app_name) as opened:
        named = ", ".join(words) or opened.app.name
        require_up(opened, restart(opened, words, doing=f"Restarting {named}"))
        click.echo(f"Restarted {named}")
