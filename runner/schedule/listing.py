"""What people and programs see of a schedule. Values in, text out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from buildpack.support.errors import printable
from buildpack.support.values import value
from runner.deploys.tables import in_columns
from runner.schedule.reckoning import MOST_MISSED
from runner.schedule.task import Task
from runner.schedule.times import next_after
from runner.schedule.words import run_name, shown_length
from runner.schedule.zones import in_zone, shown_moment
from runner.state.schedule_values import Run, RunState

_COMMAND_WIDTH = 200
_DETAIL_WIDTH = 60


@value
class View:
    """A task as it stands now."""

    task: Task
    is_paused: bool
    next: int | None
    """None: paused, or no such time comes any more"""
    running: tuple[Run, ...]
    last: Run | None


def view(task: Task, *, is_paused: bool, runs: Sequence[Run], last: Run | None, now: float) -> View:
    """``runs`` are those of the app that have not ended."""
    is_paused = is_paused or task.is_off
    return View(
        task=task,
        is_paused=is_paused,
        next=None if is_paused else next_after(task.rhythm, now),
        running=tuple(x for x in runs if x.task == task.name and x.state is RunState.RUNNING),
        last=last,
    )


def schedule_text(views: Sequence[View]) -> str:
    """A heading for each task, as ``ps`` has them, and what is known of its times."""
    blocks = []
    for each in views:
        task = each.task
        origin = " (app.json)" if task.is_of_release else ""
        blocks.append(
            f"=== {task.name}{origin}: {printable(task.command, limit=_COMMAND_WIDTH)}\n"
            f"Times: {task.rhythm.times}, {task.rhythm.zone}\n"
            f"Next:  {_next_text(each)}\n"
            f"Last:  {_last_text(each)}\n"
        )
    return "\n".join(blocks)


def schedule_document(views: Sequence[View]) -> list[Mapping[str, object]]:
    return [
        {
            "name": each.task.name,
            "times": each.task.rhythm.times,
            "zone": each.task.rhythm.zone,
            "command": each.task.command,
            "origin": "app.json" if each.task.is_of_release else "command",
            "paused": each.is_paused,
            "next": _iso(each.next, each.task.rhythm.zone),
            "overlap": each.task.overlap,
            "size": each.task.size,
            "timeout": each.task.timeout,
            "start_within": each.task.start_within,
            "running": [run_document(run, each.task.rhythm.zone) for run in each.running],
            "last": None if each.last is None else run_document(each.last, each.task.rhythm.zone),
        }
        for each in views
    ]


def runs_text(runs: Sequence[Run], zones: Mapping[str, str]) -> str:
    """A line for each run, newest first."""
    rows = [("TASK", "DUE", "TOOK", "CONTAINER", "RELEASE", "RESULT")]
    for run in runs:
        zone = zones.get(run.task, "UTC")
        has_run = run.version is not None
        rows.append(
            (
                run.task,
                f"by {printable(run.who)}" if run.due is None else shown_moment(run.due, zone),
                _took(run),
                run_name(run) if has_run else "",
                f"v{run.version}" if has_run else "",
                result_text(run),
            )
        )
    return in_columns(rows)


def run_document(run: Run, zone: str) -> Mapping[str, object]:
    return {
        "number": run.number,
        "task": run.task,
        "state": run.state,
        "count": run.count,
        "due": _iso(run.due, zone),
        "started": _utc(run.started if run.version is not None else None),
        "ended": _utc(run.ended),
        "code": run.code,
        "detail": run.detail,
        "container": run_name(run) if run.version is not None else None,
        "release": run.version,
        "who": run.who,
    }


def result_text(run: Run) -> str:
    """``failed (status 3)``, ``missed 4 times``."""
    if run.state in {RunState.MISSED, RunState.SKIPPED}:
        more = " or more" if run.count >= MOST_MISSED else ""
        times = "" if run.count == 1 else f" {run.count}{more} times"
        return f"{run.state}{times}" + (f" ({run.detail})" if run.detail else "")
    return (
        f"{run.state} ({printable(run.detail, limit=_DETAIL_WIDTH)})"
        if run.detail
        else str(run.state)
    )


def _next_text(found: View) -> str:
    if found.is_paused:
        return "paused (app.json)" if found.task.is_off else "paused"
    return "never" if found.next is None else shown_moment(found.next, found.task.rhythm.zone)


def _last_text(found: View) -> str:
    if found.running:
        return f"running as {', '.join(run_name(run) for run in found.running)}"
    if found.last is None:
        return "none yet"
    moment = found.last.due if found.last.started is None else found.last.started
    at = "" if moment is None else f", {shown_moment(moment, found.task.rhythm.zone)}"
    return f"{result_text(found.last)}{at}"


def _took(run: Run) -> str:
    if run.started is None or run.ended is None or run.version is None:
        return ""
    return shown_length(run.ended - run.started)


def _iso(moment: float | None, zone: str) -> str | None:
    return None if moment is None else in_zone(moment, zone).isoformat()


def _utc(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def as_json(document: object) -> str:
    return json.dumps(document, indent=2)
