"""What tasks are called, and app.json's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.app_json.cron import AppJsonCronError, parse_cron, read_cron
from runner.schedule.task import Overlap, Task, TaskNameError, name_for, parse_task, require_name
from runner.schedule.times import Rhythm


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("python", "manage.py", "clearsessions"), "clearsessions"),
        (("python manage.py clearsessions",), "clearsessions"),
        (("python3.12", "-m", "tools.sync"), "tools-sync"),
        (("bin/cleanup.sh", "--all"), "cleanup"),
        (("npm", "run", "send-email"), "send-email"),
        (("DEBUG=1 ./Report.py",), "report"),
        (("bash",), "bash"),
        (("--", "-x"), "task"),
        (("a" * 99,), "a" * 35),
    ],
)
def test_a_command_names_its_task(words: tuple[str, ...], name: str) -> None:
    assert name_for(words, ()) == name
    assert require_name(name) == name


def test_a_name_that_is_taken_is_numbered() -> None:
    assert name_for(("true",), {"true", "true-2"}) == "true-3"


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a/b", "ä", "a" * 41])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(TaskNameError) as caught:
        require_name(name)
    assert caught.value.brief == f"'{name}' cannot be the name of a task"
    assert "--name nightly-cleanup" in caught.value.resolution


def test_a_task_survives_state_db() -> None:
    task = Task(
        name="sync",
        rhythm=Rhythm(times="@hourly", zone="Europe/Berlin"),
        words=("echo", "ä b"),
        overlap=Overlap.ALLOW,
        size="standard-2x",
        timeout=None,
        start_within=5.5,
    )
    assert parse_task("sync", json.loads(json.dumps(task.as_json()))) == task
    assert task.command == "echo 'ä b'"


def cron(*entries: object) -> tuple[Task, ...]:
    return parse_cron(json.dumps({"cron": entries}).encode())


def test_dokkus_entries_are_taken() -> None:
    first, second, third = cron(
        {"command": "python manage.py clearsessions", "schedule": "0 3 * * *"},
        {
            "command": "sync --all", "schedule": "@hourly", "concurrency_policy": "replace",
            "maintenance": True,
        },
        {
            "command": "sync", "schedule": "30 9 * * 1", "name": "weekly", "size": "Standard-2X",
            "timezone": "Europe/Berlin", "timeout": "10m", "start_within": "2h",
        },
    )  # fmt: skip
    assert first == Task(
        name="clearsessions",
        rhythm=Rhythm(times="0 3 * * *", zone="UTC"),
        words=("python manage.py clearsessions",),
        is_of_release=True,
    )
    assert (second.name, second.overlap, second.is_off) == ("sync", Overlap.REPLACE, True)
    assert (third.name, third.rhythm.zone, third.size) == ("weekly", "Europe/Berlin", "standard-2x")
    assert (third.timeout, third.start_within) == (600.0, 7200.0)


def test_equal_commands_have_names_of_their_own() -> None:
    found = cron(
        {"command": "sync", "schedule": "0 1 * * *"},
        {"command": "sync", "schedule": "0 2 * * *", "name": "sync"},
        {"command": "sync", "schedule": "0 3 * * *"},
    )
    assert [each.name for each in found] == ["sync-2", "sync", "sync-3"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(AppJsonCronError) as caught:
        cron(
            {"command": "a", "schedule": "61 * * * *"},
            {"schedule": "@daily", "timezone": "Europe/Berln"},
            {"command": "", "schedule": "@daily", "concurrency_policy": "maybe", "user": "root"},
            {"command": "a", "schedule": "@daily", "maintenance": "yes", "size": "huge"},
            {"command": "a", "schedule": "@daily", "timeout": "soon", "name": "A B"},
            "a",
            {"command": "a", "schedule": 5, "name": "x"},
            {"command": "a", "schedule": "@daily", "name": "x"},
            {"command": "a", "schedule": "@daily", "name": "x"},
        )
    assert caught.value.exit_code is ExitCode.DATA
    places = [problem.shown.partition(" ")[0] for problem in caught.value.problems]
    assert places == [
        "cron[0].schedule", "cron[1].command", "cron[1].timezone", "cron[2].user",
        "cron[2].command", "cron[2].concurrency_policy", "cron[3].size", "cron[3].maintenance",
        "cron[4].name", "cron[4].timeout", "cron[5]", "cron[6].schedule", "cron[8].name",
    ]  # fmt: skip
    assert caught.value.problems[0].shown == (
        "cron[0].schedule cannot be used: '61 * * * *' does not say when to run. The minute"
        " is '61'. Allowed: 0 to 59. Also lists (1,15), ranges (1-5) and steps (*/10)."
    )
    assert caught.value.problems[1].shown == "cron[1].command is missing."
    assert "Did you mean Europe/Berlin?" in caught.value.problems[2].shown


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"not json", b'{"cron": null}', b'{"cron": []}']
)
def test_an_app_json_without_tasks_has_none(content: bytes) -> None:
    assert parse_cron(content) == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"cron": ', "app.json is not JSON: "),
        (b'{"cron": {}}', "cron is not a list."),
        (b'{"cron": [' + b"{}," * 100 + b"{}]}", "cron has 101 tasks; at most 100 may be."),
    ],
)
def test_an_app_json_that_is_broken_says_how(content: bytes, said: str) -> None:
    with pytest.raises(AppJsonCronError) as caught:
        parse_cron(content)
    assert caught.value.problems[0].shown.startswith(said)


def test_the_upper_layer_decides(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number}").mkdir()
        if number < 3:
            entry = {"command": f"run{number}", "schedule": "@daily"}
            (tmp_path / f"{number}" / "app.json").write_text(json.dumps({"cron": [entry]}))
    (found,) = read_cron([tmp_path / "1", tmp_path / "2", tmp_path / "3"])
    assert found.name == "run2"
    assert read_cron([tmp_path / "3"]) == ()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"cron": [{"command": "x", "schedule": "@daily"}]}')
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "app.json").symlink_to(tmp_path / "secret")
    with pytest.raises(AppJsonCronError, match="cannot be used"):
        read_cron([layer])
