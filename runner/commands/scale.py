"""``slug-run scale``."""

from __future__ import annotations

import json

import click

from runner.app_lock import PATIENCE
from runner.app_option import app_option, opened_app
from runner.scaling import (
    ResetWithWordsError,
    changes_line,
    first_formation,
    formation_line,
    idle_notices,
    of_release,
    parse_steps,
    reset_steps,
)
from runner.sizes import DEFAULT_SIZE
from runner.supervision.asking import (
    change_formation,
    describe,
    poke_and_tell,
    read_containers,
    require_release,
    require_up,
)
from runner.supervision.telling import say


@click.command("scale", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[TYPE[=|+|-]N[:SIZE]]...", type=click.UNPROCESSED)
@click.option("--json", "as_json", is_flag=True, help="The formation as a JSON array.")
@click.option("--reset", is_flag=True, help="One web again, and nothing else.")
@click.option("--overcommit", is_flag=True, help="Scale also where memory is short.")
@click.option("--no-wait", is_flag=True, help="Give up at once while the app is being changed.")
@app_option
def command(
    words: tuple[str, ...], *, as_json: bool, app_name: str | None, **options: bool
) -> None:
    """Show how many containers of each process type run, or change it.

    \b
      slug-run scale                       as a line to use again
      slug-run scale web=2 worker+1
      slug-run scale web=3:standard-2x     with another size
      slug-run scale worker=0
      slug-run scale --reset               as if nobody had scaled it: one web

    The counts are kept through deploys and restarts of everything.
    """  # fmt: skip
    steps, is_reset = parse_steps(words), options["reset"]
    if steps and is_reset:
        raise ResetWithWordsError
    with opened_app(app_name) as opened:
        name = opened.app.name
        types = require_release(opened).slug.metadata.process_types
        if steps or is_reset:
            before, after = change_formation(
                opened,
                lambda current: reset_steps(current, types) if is_reset else steps,
                patience=0.0 if options["no_wait"] else PATIENCE,
                overcommit=options["overcommit"],
            )
            changes = changes_line(before, after)
            say(f"Scaling {name}: {changes or 'nothing changes'}")
            settled = poke_and_tell(opened)
            if not as_json:
                if settled is None:
                    click.echo(f"Set {describe(after, types)}")
                    say(f"{name} is not running: slug-run start -d --app {name}")
                else:
                    click.echo(f"Now running {describe(after, types)}")
            require_up(opened, settled)
        formation = after if steps or is_reset else opened.state.formation(opened.app)
        formation = formation or {each.process_type: each for each in first_formation(types)}
        if as_json:
            up = [each["type"] for each in read_containers(opened) or () if each["state"] == "up"]
            rows = [
                {
                    "type": each.process_type,
                    "quantity": each.quantity,
                    "size": each.size or DEFAULT_SIZE,
                    "command": types.get(each.process_type),
                    "up": up.count(each.process_type),
                }
                for each in formation.values()
            ]
            click.echo(json.dumps(rows, indent=2))
        elif not steps and not is_reset:
            click.echo(formation_line(of_release(formation, types).values()))
            for notice in idle_notices(name, formation, types):
                say(notice)
