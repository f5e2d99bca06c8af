"""``slug-run ps``."""

from __future__ import annotations

import json
import time

import click

from runner.app_option import app_option, opened_app
from runner.state.values import App
from runner.supervision.asking import read_containers, require_named
from runner.supervision.telling import say
from runner.supervision.wanted import read_release


@click.command("ps")
@click.argument("words", nargs=-1, metavar="[TYPE|TYPE.N]...")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@app_option
def command(words: tuple[str, ...], *, as_json: bool, app_name: str | None) -> None:
    """List an app's containers: its formation's, and detached one-offs.

    \b
      slug-run ps
      slug-run ps worker run.8213      of these only
      slug-run ps --app polls --json
    """
    from runner.one_offs.listing import one_offs_text
    from runner.one_offs.standing import running_one_offs
    from runner.supervision.table import containers_document, containers_text

    with opened_app(app_name) as opened:
        containers = read_containers(opened)
        release = read_release(opened.state, opened.data_dir, opened.app)
        one_offs = running_one_offs(opened)
    if words:
        from runner.supervision.upkeep import named

        names = [str(each["name"]) for each in containers or ()] + [x.name for x in one_offs]
        require_named(opened.app.name, words, names)
        is_chosen = named(words)
        containers = [each for each in containers or () if is_chosen(str(each["name"]))]
        one_offs = [each for each in one_offs if is_chosen(each.name)]
    if as_json:
        found = [*(containers or ()), *(each.row for each in one_offs)]
        click.echo(json.dumps(containers_document(found), indent=2))
        return
    if containers:
        types: dict[str, str] = {}
        if release is not None:
            types = {str(x): y for x, y in release.slug.metadata.process_types.items()}
        click.echo(containers_text(containers, types, now=time.time()))
    if one_offs:
        click.echo(("\n" if containers else "") + one_offs_text(one_offs, now=time.time()))
    if not words and not containers and (containers is None or not one_offs):
        say(_nothing(opened.app, is_supervised=containers is not None))


def _nothing(app: App, *, is_supervised: bool) -> str:
    if is_supervised:
        return f"{app.name} runs no containers: slug-run scale web=1 --app {app.name}"
    return f"{app.name} is not running: slug-run start -d --app {app.name}"
