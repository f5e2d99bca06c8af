"""`slug-run schedule`: words to tasks, and what is said of mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.main import main
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import RunState
from runner.state.state import opened_state
from slugc.privileges import data_dir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = data_dir({"SLUGKIT_HOME": str(tmp_path / "home")})
    monkeypatch.setenv("SLUGKIT_HOME", str(home))
    monkeypatch.delenv("SLUG_RUN_APP", raising=False)
    monkeypatch.delenv("HEROKU_APP", raising=False)
    with opened_state(home) as state:
        state.create_app("polls")
    return home


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main(["schedule", "--json"]) == 0
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)}


def test_a_task_is_added_listed_paused_resumed_and_removed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["0 3 * * *", "--tz", "Europe/Berlin", "--size", "standard-2x", "--timeout", "none",
             "--", "python", "manage.py", "clearsessions", "--verbosity", "2"]  # fmt: skip
    assert main(["schedule", "add", *words]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Added clearsessions: 0 3 * * * Europe/Berlin, next at 2")
    assert err == (
        "polls is not running, and its tasks only run while it does:"
        " slug-run start -d --app polls\n"
    )
    task = listed(capsys)["clearsessions"]
    assert task["command"] == "python manage.py clearsessions --verbosity 2"
    assert (task["zone"], task["size"], task["timeout"]) == ("Europe/Berlin", "standard-2x", None)
    assert (task["overlap"], task["origin"], task["last"]) == ("forbid", "command", None)
    assert main(["schedule:pause", "clearsessions"]) == 0
    assert (listed(capsys)["clearsessions"]["next"], task["paused"]) == (None, False)
    assert main(["schedule", "resume", "clearsessions", "--app", "polls"]) == 0
    assert listed(capsys)["clearsessions"]["next"] == task["next"]
    assert main(["schedule", "--app", "polls", "remove", "clearsessions"]) == 0
    assert capsys.readouterr().out == "Removed clearsessions\n"
    assert listed(capsys) == {}
    assert main(["schedule"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == 'polls has no scheduled tasks: slug-run schedule add "0 3 * * *" -- COMMAND\n'


def test_overlap_and_replace_are_what_the_task_says(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("overlap", "replace"):
        words = [f"--{option}", "--name", option, "--start-within", "2h", "--", "true"]
        assert main(["schedule", "add", "@daily", *words]) == 0
    found = listed(capsys)
    assert (found["overlap"]["overlap"], found["replace"]["overlap"]) == ("allow", "replace")
    assert found["replace"]["start_within"] == 7200


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", "61 * * * *", "--", "true"], "The minute is '61'. Allowed: 0 to 59."),
        (["add", "* * * *", "--", "true"], "It has 4 fields; five are needed."),
        (["add", "@daily", "--tz", "Berlin", "--", "true"], "Did you mean Europe/Berlin?"),
        (["add", "@daily", "--name", "A", "--", "true"], "cannot be the name of a task"),
        (["add", "@daily", "--size", "hug", "--", "true"], "There is no size called 'hug'"),
        (["add", "@daily", "--timeout", "x", "--", "true"], "--timeout 10m"),
        (["add", "@daily", "--start-within", "x", "--", "true"], "--start-within 10m"),
        (["add", "@daily", "--overlap", "--replace", "--", "true"], "cannot be used together"),
        (["add", "@daily"], "Missing argument"),
        (["add", "@daily", "--", ""], "The command is empty"),
        (["add", "@daily", "--", " \t"], "The command is empty"),
        (["run", "nope"], "polls has no scheduled task called 'nope'"),
        (["remove", "nope"], "It has none yet."),
        (["runs", "nope"], "polls has no scheduled task called 'nope'"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    home: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schedule", *words]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    assert listed(capsys) == {}


def test_a_task_of_an_app_without_a_release_cannot_run_now(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schedule", "add", "@daily", "--", "true"]) == 0
    assert main(["schedule", "run", "true"]) != 0
    assert "polls" in capsys.readouterr().err
    with opened_state(home) as state:
        assert ScheduleState(state, state.app("polls")).runs() == ()


def test_runs_are_shown_also_of_tasks_that_are_gone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schedule", "runs"]) == 0
    assert capsys.readouterr().err == "Nothing has run yet.\n"
    with opened_state(home) as state:
        schedule = ScheduleState(state, state.app("polls"))
        run = schedule.ask("gone", who="me", now=1.0)
        schedule.end(run, RunState.FAILED, now=2.0, detail="status 3", code=3)
    for words in (["schedule", "runs"], ["schedule", "runs", "gone", "-n", "5"]):
        assert main(words) == 0
        assert capsys.readouterr().out.endswith("failed (status 3)\n")
