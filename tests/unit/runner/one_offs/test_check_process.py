"""check_process: where nobody can be asked, that is no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

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
