"""``slug-run plan``."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import click

from buildpack.support.errors import SlugkitError
from runner.app_option import app_option
from runner.deploys.deploy import read_app_json, require_fit
from runner.deploys.desk import Desk
from runner.deploys.options import chosen_app, desk_of_command
from runner.deploys.phase import TIMEOUT
from runner.deploys.plan import Plan, plan_deploy, with_tasks
from runner.deploys.plan_text import plan_document, plan_text
from runner.engine_choice import determine_engine
from runner.json_option import json_option
from runner.requests import current_dir
from runner.schedule.task import Task
from runner.schedule.tasks import read_release_tasks
from slugc.slug import Slug, read_slug


@click.command("plan")
@click.argument("slug_file", metavar="SLUG", type=click.Path(path_type=Path))
@app_option
@click.option("--release-timeout", type=click.FloatRange(min=0.1, max=86400), default=TIMEOUT,
              hidden=True)  # fmt: skip
@click.option("--engine", metavar="NAME", help="For which engine. Default: as deploy's.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the deploy would change anything.")
@json_option
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Show what deploying SLUG would change. Nothing is changed by that.

    \b
      slug-run plan polls.slug
      slug-run plan polls.slug --app polls --json

    No value of a config var is shown, and no password in a command.
    """  # fmt: skip
    with desk_of_command(options) as desk:
        slug = read_slug(current_dir() / options["slug_file"])
        engine = determine_engine(options["engine"], desk.env).name
        require_fit(slug, engine)
        read_app_json(desk, slug, engine)
        app = chosen_app(desk, options["app_name"])
        current = desk.state.current(app)
        checksum = current.slug if current else None
        newest = next((x.version for x in desk.state.releases(app, limit=1)), 0)
        has_before = checksum is not None and desk.slugs.has(checksum)
        before = desk.slugs.read(checksum, of=app.name) if checksum and has_before else None
        plan = plan_deploy(
            app.name,
            current=current,
            newest=newest,
            before=before,
            after=slug,
            counts=desk.state.formation(app),
        )
        plan = with_tasks(plan, _tasks(desk, before, engine), _tasks(desk, slug, engine))
        _show(plan, options)
        if options["exit_code"] and plan.is_change:
            context.exit(1)


def _tasks(desk: Desk, slug: Slug | None, engine: str) -> tuple[Task, ...]:
    """Of its app.json; none where that, or the slug it is in, cannot be used: no reason against
    another slug."""
    if slug is None or engine == "docker":
        return ()
    with contextlib.suppress(SlugkitError):
        return read_release_tasks(desk.data_dir, slug)
    return ()


def _show(plan: Plan, options: dict[str, Any]) -> None:
    timeout = options["release_timeout"]
    if options["as_json"]:
        click.echo(json.dumps(plan_document(plan, timeout=timeout), indent=2))
    else:
        click.echo(plan_text(plan, timeout=timeout), nl=False)
