"""What people see of a schedule, and what they are told when they ask for what is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildpack.support.errors import ExitCode, SlugkitError
from runner.schedule.errors import (
    NoSuchTaskError,
    TaskExistsError,
    TaskOfReleaseError,
    TooManyTasksError,
)
from runner.schedule.listing import (
    result_text,
    run_document,
    runs_text,
    schedule_document,
    schedule_text,
    view,
)
from runner.schedule.running import StillRunningError
from runner.schedule.task import Task
from runner.schedule.times import Rhythm
from runner.schedule.words import shown_length
from runner.state.schedule_values import Run, RunState

MIDNIGHT = 1_795_392_000  # 2026-11-23 00:00 UTC


def a_task(name: str, zone: str = "UTC", **fields: Any) -> Task:
    rhythm = Rhythm(times="0 3 * * *", zone=zone)
    return Task(name=name, rhythm=rhythm, words=("true",), **fields)


def a_run(state: RunState, **fields: Any) -> Run:
    known: dict[str, Any] = {
        "number": 7, "task": "sync", "due": MIDNIGHT, "state": state, "count": 1, "version": 3,
        "started": MIDNIGHT + 0.5, "ended": MIDNIGHT + 3.5, "code": 0, "detail": "",
        "who": "scheduler",
    }  # fmt: skip
    return Run(**{**known, **fields})


def test_the_list_shows_zone_next_and_last() -> None:
    lost = a_run(RunState.FAILED, detail="status 3", code=3)
    views = [
        view(a_task("sync"), is_paused=False, runs=(), last=lost, now=MIDNIGHT),
        view(a_task("berlin", "Europe/Berlin"), is_paused=False, runs=(), last=None, now=MIDNIGHT),
        view(a_task("mine", is_of_release=True), is_paused=True, runs=(), last=None, now=MIDNIGHT),
        view(
            a_task("off", is_of_release=True, is_off=True),
            is_paused=False,
            runs=[a_run(RunState.RUNNING, task="off", ended=None)],
            last=None,
            now=MIDNIGHT,
        ),
    ]
    assert schedule_text(views).split("\n\n") == [
        "=== sync: true\nTimes: 0 3 * * *, UTC\nNext:  2026-11-23 03:00 UTC\n"
        "Last:  failed (status 3), 2026-11-23 00:00 UTC",
        "=== berlin: true\nTimes: 0 3 * * *, Europe/Berlin\nNext:  2026-11-23 03:00 +01:00\n"
        "Last:  none yet",
        "=== mine (app.json): true\nTimes: 0 3 * * *, UTC\nNext:  paused\nLast:  none yet",
        "=== off (app.json): true\nTimes: 0 3 * * *, UTC\nNext:  paused (app.json)\n"
        "Last:  running as scheduler.1007\n",
    ]
    (first, second, third, _) = json.loads(json.dumps(schedule_document(views)))
    assert (first["next"], second["next"]) == (
        "2026-11-23T03:00:00+00:00", "2026-11-23T03:00:00+01:00",
    )  # fmt: skip
    assert (third["origin"], third["paused"], third["next"]) == ("app.json", True, None)
    assert first["last"]["state"] == "failed"


def test_runs_are_lines() -> None:
    runs = [
        a_run(RunState.SUCCEEDED),
        a_run(RunState.MISSED, count=4, version=None, started=None, ended=None),
        a_run(RunState.RUNNING, due=None, who="alice", ended=None),
    ]
    assert runs_text(runs, {"sync": "Europe/Berlin"}).splitlines() == [
        "TASK  DUE                      TOOK  CONTAINER       RELEASE  RESULT",
        "sync  2026-11-23 01:00 +01:00  3.0s  scheduler.1007  v3       succeeded",
        "sync  2026-11-23 01:00 +01:00                                 missed 4 times",
        "sync  by alice                       scheduler.1007  v3       running",
    ]


def test_a_run_as_json() -> None:
    assert run_document(a_run(RunState.SUCCEEDED), "UTC") == {
        "number": 7,
        "task": "sync",
        "state": "succeeded",
        "count": 1,
        "due": "2026-11-23T00:00:00+00:00",
        "started": "2026-11-23T00:00:00.500+00:00",
        "ended": "2026-11-23T00:00:03.500+00:00",
        "code": 0,
        "detail": "",
        "container": "scheduler.1007",
        "release": 3,
        "who": "scheduler",
    }


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (a_run(RunState.SUCCEEDED), "succeeded"),
        (a_run(RunState.FAILED, detail="status 3"), "failed (status 3)"),
        (a_run(RunState.TIMED_OUT, detail="longer than 1h"), "timed out (longer than 1h)"),
        (a_run(RunState.MISSED), "missed"),
        (a_run(RunState.MISSED, count=1000), "missed 1000 or more times"),
        (a_run(RunState.SKIPPED, count=2, detail="x still ran"), "skipped 2 times (x still ran)"),
    ],
)
def test_results_in_words(run: Run, text: str) -> None:
    assert result_text(run) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (9.94, "9.9s"), (12, "12s"), (200, "3m20s"), (7500, "2h05m"), (-1, "0.0s")],
)
def test_lengths(seconds: float, text: str) -> None:
    assert shown_length(seconds) == text


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            NoSuchTaskError("polls", "snyc", ["sync", "mail"]),
            ExitCode.USAGE,
            "polls has no scheduled task called 'snyc'|Did you mean sync? It has: sync, mail.|"
            "slug-run schedule --app polls lists them.",
        ),
        (
            NoSuchTaskError("polls", "x", []),
            ExitCode.USAGE,
            "polls has no scheduled task called 'x'|It has none yet.|"
            "slug-run schedule --app polls lists them.",
        ),
        (
            TaskExistsError("polls", "sync"),
            ExitCode.USAGE,
            "polls has a scheduled task called 'sync' already||Choose another name, or remove that"
            " one:\n\n    slug-run schedule remove sync --app polls",
        ),
        (
            TaskOfReleaseError("polls", "sync"),
            ExitCode.USAGE,
            "sync comes with polls's release and cannot be removed by command|It stands in the"
            " app's app.json, under cron.|Remove it there and deploy, or pause it:\n\n"
            "    slug-run schedule pause sync --app polls",
        ),
        (
            TooManyTasksError("polls", 100),
            ExitCode.USAGE,
            "polls has 100 scheduled tasks already||Remove one: slug-run schedule remove NAME",
        ),
        (
            StillRunningError("sync", "scheduler.1007"),
            ExitCode.TRY_AGAIN,
            "sync still runs, as scheduler.1007|A task runs once at a time, unless it was added"
            " with --overlap.|Wait for it, or stop it:\n\n    slug-run stop scheduler.1007",
        ),
    ],
)
def test_errors_say_what_to_do(error: SlugkitError, code: ExitCode, said: str) -> None:
    assert f"{error.brief}|{error.details}|{error.resolution}" == said
    assert error.exit_code is code
