"""What is asked on a terminal: a secret, unseen, and an app's name before it is destroyed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect
import pytest

from runner.state.state import opened_state
from slugc.privileges import data_dir

SECRET = "kx7-never-to-be-seen"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    home = str(tmp_path / "home")
    with opened_state(data_dir({"SLUGKIT_HOME": home})) as state:
        state.create_app("polls")
    return {"PATH": os.environ["PATH"], "SLUGKIT_HOME": home, "LOGNAME": "me", "TERM": "dumb",
            "PYTHONPATH": str(Path(__file__).parents[4])}  # fmt: skip


def at_terminal(env: dict[str, str], *words: str) -> pexpect.spawn[str]:
    argv = ["-m", "runner.main", *words]
    return pexpect.spawn(sys.executable, argv, env=env, encoding="utf-8", timeout=20)


def code_of(terminal: pexpect.spawn[str]) -> int | None:
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus


def test_a_value_is_typed_unseen(env: dict[str, str]) -> None:
    terminal = at_terminal(env, "config", "set", "SECRET_KEY=-")
    terminal.expect_exact("Value of SECRET_KEY: ")
    terminal.waitnoecho(10)
    terminal.sendline(SECRET)
    assert code_of(terminal) == 0
    assert SECRET not in (terminal.before or "")
    with opened_state(Path(env["SLUGKIT_HOME"])) as state:
        current = state.current(state.app("polls"))
    assert current is not None
    assert current.config_vars == {"SECRET_KEY": SECRET}


@pytest.mark.parametrize(("typed", "code"), [("polls", 0), ("shop", 64), ("\x03", 130)])
def test_destroy_asks_for_the_name(typed: str, code: int, env: dict[str, str]) -> None:
    terminal = at_terminal(env, "apps", "destroy", "polls")
    terminal.expect_exact("The app's name, polls: ")
    terminal.send(typed if typed == "\x03" else f"{typed}\n")
    assert code_of(terminal) == code
    with opened_state(Path(env["SLUGKIT_HOME"])) as state:
        assert [app.name for app in state.apps()] == ([] if code == 0 else ["polls"])
