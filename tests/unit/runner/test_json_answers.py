"""``--json``: every command that lists or changes something has it, and answers alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from runner.cli import cli
from runner.main import main

# Their standard output is somebody else's: an app's, a value's, an editor's, a shell's.
WITHOUT = {
    "config edit",
    "config export",
    "config get",
    "console",
    "exec",
    "releases output",
    "run",
    "service run",
    "shell",
}


def leaves(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            if isinstance(found, click.Group):
                yield from leaves(found, f"{before}{name} ")
            else:
                yield f"{before}{name}", found


def test_every_command_has_it_but_those_that_hand_something_through() -> None:
    without = {
        name
        for name, found in leaves(cli)
        if not any("--json" in each.opts for each in found.params)
    }
    assert without == WITHOUT


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "home"))


class Asking:
    """Runs commands and reads what they answer."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *words: str, code: int = 0) -> Any:
        self._capfd.readouterr()
        assert main([*words, "--json"]) == code
        out = self._capfd.readouterr().out
        found = json.loads(out)
        if isinstance(found, dict):
            is_listing = "event" not in found and "error" not in found
            assert is_listing or out.count("\n") == 1, "a line for who reads lines"
            found.pop("ts", None)
        return found


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Asking:
    return Asking(capfd)


def result(message: str, app: str = "polls", **facts: object) -> dict[str, object]:
    return {"event": "result", "app": app, "message": message, "ok": True, **facts}


def test_apps_are_made_renamed_and_destroyed(ask: Asking) -> None:
    assert ask("apps", "create", "first") == result("Created first.", app="first")
    assert ask("apps", "rename", "polls") == result("first is called polls now.")
    refused = ask("apps", "destroy", code=64)["error"]
    assert (refused["id"], refused["code"]) == ("not-confirmed", 64)
    assert ask("apps", "destroy", "--confirm", "polls") == result("Destroyed polls.")


def test_a_change_of_config_vars_names_them_and_shows_no_value(ask: Asking, tmp_path: Path) -> None:
    main(["apps", "create", "polls"])
    (tmp_path / ".env").write_text("B=hidden-too\nC=3\n")
    assert ask("config", "set", "A=hidden", "B=2") == result(
        "Set A, B config vars on polls: v1", version=1, changed=True, set=["A", "B"], unset=[]
    )
    assert ask("config", "set", "A=hidden") == result(
        "Nothing changed: polls has it so already.",
        version=None,
        changed=False,
        set=[],
        unset=[],
    )
    imported = ask("config", "import", str(tmp_path / ".env"))
    assert (imported["version"], imported["set"]) == (2, ["B", "C"])
    assert "hidden" not in json.dumps(imported)
    removed = ask("config", "unset", "A")
    assert (removed["version"], removed["set"], removed["unset"]) == (3, [], ["A"])


def test_releases_are_compared_with_secrets_masked(ask: Asking) -> None:
    main(["apps", "create", "polls"])
    assert ask("config", "diff") == {"from": None, "to": None, "config_vars": []}
    main(["config", "set", "A=1", "B=2"])
    main(["config", "set", "B=", "SECRET_KEY=hidden"])
    masked = ask("config", "diff")
    assert "hidden" not in json.dumps(masked)
    assert masked["config_vars"][0] == {"name": "B", "before": "2", "after": ""}
    assert ask("config", "diff", "v2", "v1", "--reveal") == {
        "from": 2,
        "to": 1,
        "config_vars": [
            {"name": "B", "before": "", "after": "2"},
            {"name": "SECRET_KEY", "before": "hidden", "after": None},
        ],
    }


def test_tasks_are_added_paused_and_removed(ask: Asking) -> None:
    main(["apps", "create", "polls"])
    added = ask("schedule", "add", "0 3 * * *", "report")
    assert added["message"].startswith("Added report: 0 3 * * * UTC, next at ")
    assert (added["task"]["name"], added["task"]["times"]) == ("report", "0 3 * * *")
    assert ask("schedule", "pause", "report") == result("Paused report", task="report")
    assert ask("schedule", "resume", "report") == result("Resumed report", task="report")
    assert ask("schedule", "remove", "report") == result("Removed report", task="report")
    assert ask("schedule", "remove", "report", code=64)["error"]["code"] == 64


def test_a_drain_is_told_without_its_password(ask: Asking) -> None:
    main(["apps", "create", "polls"])
    added = ask("drains", "add", "https://user:hidden@logs.example.com/in")
    assert "hidden" not in json.dumps(added)
    removed = ask("drains", "remove", added["token"])
    assert (removed["url"], removed["token"]) == (added["url"], added["token"])


def test_an_app_that_does_not_run(ask: Asking) -> None:
    main(["apps", "create", "polls"])
    assert ask("stop") == result("polls was not running", changed=False)
    assert ask("restart", code=1)["error"]["id"] == "not-running"
    assert ask("start", "-d", "--engine", "host", code=69)["error"]["id"] == "engine-not-yet"
    attached = ask("start", "web", code=64)["error"]
    assert attached["message"] == "--json cannot be used without --detach"


def test_engines_are_listed_with_what_each_needs(ask: Asking) -> None:
    assert [each["name"] for each in ask("engine", "list")] == ["embedded", "docker", "host"]


def test_the_doctor_of_engines_has_its_code(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUG_RUN_ENGINE", "host")
    (host,) = [each for each in ask("engine", "doctor") if each["chosen"]]
    assert host == {"name": "host", "chosen": True, "ok": True, "problems": [], "remedies": []}
    monkeypatch.setenv("SLUG_RUN_ENGINE", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    (docker,) = [each for each in ask("engine", "doctor", code=69) if each["chosen"]]
    assert (docker["name"], docker["ok"]) == ("docker", False)
    assert docker["remedies"]
