"""``slug-run schedule``."""

from __future__ import annotations

import time
from typing import Any

import click

from runner.amounts import parse_time_limit
from runner.app_option import app_option, opened_app
from runner.json_option import answer, json_option
from runner.launch import require_command
from runner.schedule import book, listing
from runner.schedule.task import START_WITHIN, Overlap, Task, name_for, require_name
from runner.schedule.times import Rhythm, require_times
from runner.schedule.words import run_name
from runner.schedule.zones import DEFAULT_ZONE, require_zone, shown_moment
from runner.sizes import DEFAULT_SIZE, find_size
from runner.supervision.telling import say

_JSON = click.option("--json", "as_json", is_flag=True, help="As a JSON array.")


@click.group("schedule", invoke_without_command=True)
@app_option
@_JSON
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Run commands at their times, each in a fresh container.

    \b
      slug-run schedule                what there is, its next and its last run
      slug-run schedule add "0 3 * * *" -- python manage.py clearsessions
      slug-run schedule add "30 9 * * MON-FRI" --tz Europe/Berlin -- ./report.sh
      slug-run schedule run clearsessions
      slug-run schedule runs           what became of them

    Tasks run while the app does: slug-run start -d. Those of its app.json (cron)
    come and go with the release.
    """  # fmt: skip
    context.obj = options
    if context.invoked_subcommand is None:
        _list(options)


@command.command("list")
@app_option
@_JSON
@click.pass_context
def list_tasks(context: click.Context, /, **options: Any) -> None:
    """List the tasks, with their next and last runs."""
    _list(_merged(context, options))


def _list(options: dict[str, Any]) -> None:
    with opened_app(options["app_name"]) as opened:
        found = book.read_book(opened, time.time())
        name = opened.app.name
    if options["as_json"]:
        click.echo(listing.as_json(listing.schedule_document(found.views)))
    elif found.views:
        click.echo(listing.schedule_text(found.views), nl=False)
    else:
        say(f'{name} has no scheduled tasks: slug-run schedule add "0 3 * * *" -- COMMAND')
    if found.tasks.problem is not None:
        say(f" !     {found.tasks.problem.brief}\n{found.tasks.problem.details}")
    if found.views and not found.is_started:
        say(f"\n{_not_started(name)}")


@command.command(context_settings={"allow_interspersed_args": True})
@click.argument("times", metavar="TIMES")
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND [ARG]...")
@click.option("--name", metavar="NAME", help="Default: a word of the command.")
@click.option(
    "--tz", "zone", default=DEFAULT_ZONE, show_default=True, metavar="ZONE",
    help="The time zone of TIMES, such as Europe/Berlin.",
)  # fmt: skip
@click.option("--overlap", is_flag=True, help="Start it even while it still runs.")
@click.option("--replace", is_flag=True, help="Stop it first if it still runs.")
@click.option("--size", default=DEFAULT_SIZE, show_default=True, metavar="SIZE")
@click.option(
    "--timeout", default="1d", show_default=True, metavar="TIME",
    help="End it after that long: 90s, 10m, 2h, or none.",
)  # fmt: skip
@click.option(
    "--start-within", default="1m", show_default=True, metavar="TIME",
    help="If it could not start at its time: how late it still may. Later, it was missed.",
)  # fmt: skip
@app_option
@json_option
@click.pass_context
def add(context: click.Context, /, **options: Any) -> None:
    """Run COMMAND at TIMES: minute, hour, day of month, month, day of week.

    \b
      slug-run schedule add "0 3 * * *" -- python manage.py clearsessions
      slug-run schedule add @hourly --name sync --tz UTC -- 'curl -s "$FEED" | ./load'
      slug-run schedule add "*/5 * * * *" --timeout 4m --size standard-2x -- ./poll.sh

    A single word is a shell command line; of several, each is one argument.
    """  # fmt: skip
    if options["overlap"] and options["replace"]:
        raise click.UsageError("--overlap and --replace cannot be used together.", context)
    name, words = options["name"], options["words"]
    require_command(words[0])
    task = Task(
        name=require_name(name) if name is not None else name_for(words, ()),
        rhythm=Rhythm(times=require_times(options["times"]), zone=require_zone(options["zone"])),
        words=words,
        overlap=_overlap(options),
        size=find_size(options["size"]).name,
        timeout=parse_time_limit(options["timeout"], option="--timeout"),
        start_within=parse_time_limit(options["start_within"], option="--start-within")
        or START_WITHIN,
    )
    with opened_app(_app_name(context, options)) as opened:
        added = book.add_task(opened, task, is_named=name is not None)
        found = book.read_book(opened, time.time())
        app = opened.app.name
    (view,) = [each for each in found.views if each.task.name == added.name]
    zone = added.rhythm.zone
    coming = "never" if view.next is None else shown_moment(view.next, zone)
    said = f"Added {added.name}: {added.rhythm.times} {zone}, next at {coming}"
    (document,) = listing.schedule_document([view])
    answer(said, as_json=_wants_json(context, options), app=app, task=document)
    if not found.is_started:
        say(_not_started(app))


@command.command()
@click.argument("name")
@app_option
@json_option
@click.pass_context
def remove(context: click.Context, /, name: str, **options: Any) -> None:
    """Remove a task. One that runs now runs to its end."""
    with opened_app(_app_name(context, options)) as opened:
        book.remove_task(opened, name)
        app = opened.app.name
    answer(f"Removed {name}", as_json=_wants_json(context, options), app=app, task=name)


@command.command()
@click.argument("name")
@app_option
@json_option
@click.pass_context
def pause(context: click.Context, /, name: str, **options: Any) -> None:
    """Start a task no more until it is resumed. Deploys do not change that."""
    with opened_app(_app_name(context, options)) as opened:
        book.pause_task(opened, name, is_paused=True)
        app = opened.app.name
    answer(f"Paused {name}", as_json=_wants_json(context, options), app=app, task=name)


@command.command()
@click.argument("name")
@app_option
@json_option
@click.pass_context
def resume(context: click.Context, /, name: str, **options: Any) -> None:
    """Start a task at its times again. What passed meanwhile is not made up for."""
    with opened_app(_app_name(context, options)) as opened:
        task = book.pause_task(opened, name, is_paused=False)
        app = opened.app.name
    answer(f"Resumed {name}", as_json=_wants_json(context, options), app=app, task=name)
    if task.is_off:
        say(f"Its app.json says maintenance: {name} is not started before that has changed.")


@command.command()
@click.argument("name")
@app_option
@json_option
@click.pass_context
def run(context: click.Context, /, name: str, **options: Any) -> None:
    """Run a task now, beside its times; also while the app does not run, or it is paused."""
    with opened_app(_app_name(context, options)) as opened:
        asked = book.ask_for_run(opened, name)
        data_dir, app = opened.data_dir, opened.app
    book.start_asked(data_dir, app, asked)
    chosen = f" --app {app.name}" if _app_name(context, options) else ""
    started = run_name(asked)
    said = (
        f"Running {name}... done, {started}\n"
        f"Use `slug-run logs{chosen} --dyno {started} --tail` to follow it."
    )
    as_json = _wants_json(context, options)
    answer(said, as_json=as_json, app=app.name, task=name, container=started)


@command.command("runs")
@click.argument("name", required=False)
@click.option(
    "-n", "--num", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
    help="How many to show, newest first.",
)  # fmt: skip
@_JSON
@app_option
@click.pass_context
def list_runs(context: click.Context, /, name: str | None, num: int, **options: Any) -> None:
    """Show what became of the runs of all tasks, or of one; also of missed ones."""
    merged = _merged(context, options)
    with opened_app(merged["app_name"]) as opened:
        runs = book.read_runs(opened, name, num)
        zones = book.zones(book.read_book(opened, time.time()).tasks, runs)
    if merged["as_json"]:
        rows = [listing.run_document(each, zones.get(each.task, DEFAULT_ZONE)) for each in runs]
        click.echo(listing.as_json(rows))
    elif runs:
        click.echo(listing.runs_text(runs, zones), nl=False)
    else:
        say("Nothing has run yet.")


def _overlap(options: dict[str, Any]) -> Overlap:
    if options["overlap"]:
        return Overlap.ALLOW
    return Overlap.REPLACE if options["replace"] else Overlap.FORBID


def _not_started(app: str) -> str:
    return (
        f"{app} is not running, and its tasks only run while it does: slug-run start -d --app {app}"
    )


def _app_name(context: click.Context, options: dict[str, Any]) -> str | None:
    """Given behind the sub-command, or before it."""
    name: str | None = options["app_name"] or context.obj["app_name"]
    return name


def _wants_json(context: click.Context, options: dict[str, Any]) -> bool:
    return bool(options["as_json"] or context.obj["as_json"])


def _merged(context: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "app_name": _app_name(context, options),
        "as_json": _wants_json(context, options),
    }
