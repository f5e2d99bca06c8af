"""check_process: where nobody can be asked, that is no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.engines.embedded.entering.entered import EnterError
from runner.one_offs import check_process
from runner.one_offs.check_process import main
from runner.state.state import opened_state
from runner.supervision.command_question import NOT_ASKED
from slugc.privileges import data_dir


@pytest.mark.parametrize("is_damaged", [True, False])
def test_it_says_why_and_ends_in_a_way_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, is_damaged: bool
) -> None:
    env = {"SLUGKIT_HOME": str(tmp_path / "home")}
    home = data_dir(env)
    with opened_state(home) as state:
        app = state.create_app("polls")
    if is_damaged:
        (home / "state.db").write_bytes(b"?" * 10_000)
    assert main([str(app.number), "web.1-1", "5", "true"], env) == NOT_ASKED
    assert ("is damaged" if is_damaged else "web.1-1") in capfd.readouterr().err


def test_who_cannot_be_entered_is_not_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise EnterError("web.1", "Not within 20 seconds.")

    env = {"SLUGKIT_HOME": str(tmp_path / "home")}
    with opened_state(data_dir(env)) as state:
        app = state.create_app("polls")
    monkeypatch.setattr(check_process, "target_of", refuse)
    assert main([str(app.number), "web.1-1", "5", "true"], env) == ExitCode.PERMISSION
    assert capfd.readouterr().err == "The container web.1 could not be entered\n"
