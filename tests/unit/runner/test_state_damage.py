"""state: rows that SQLite gives and nobody can have written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack.support.values import NOTHING
from runner.state.errors import StateDamagedError
from runner.state.rollouts import RolloutState
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Mark
from runner.state.state import State, opened_state
from runner.state.values import App, NewRelease
from runner.supervision.wanted import read_wanted

NEW = NewRelease(slug="sha256:ab", config_vars=NOTHING, description="Deploy", who="me")
Read = Callable[[State, App], object]
DAMAGE: list[tuple[str, str, Read]] = [
    ("supervision", "settings", lambda opened, app: opened.supervision(app)),
    ("releases", "config_vars", lambda opened, app: opened.releases(app)),
    ("releases", "status", lambda opened, app: opened.releases(app)),
    ("rollouts", "settings", lambda opened, app: RolloutState(opened, app).current()),
    ("rollouts", "verdict", lambda opened, app: RolloutState(opened, app).all()),
    ("schedule_tasks", "task", lambda opened, app: ScheduleState(opened, app).tasks()),
    ("schedule_marks", "reckoned", lambda opened, app: ScheduleState(opened, app).marks()),
    ("schedule_runs", "state", lambda opened, app: ScheduleState(opened, app).runs()),
]


@pytest.mark.parametrize(("table", "column", "read"), DAMAGE)
def test_a_row_that_cannot_be_understood_is_damage(
    tmp_path: Path, table: str, column: str, read: Read
) -> None:
    with opened_state(tmp_path) as opened:
        app = opened.create_app("polls")
        opened.add_release(app, lambda _: NEW)
        opened.set_supervision(app, {"port": 5000})
        RolloutState(opened, app).begin(1)
        schedule, mark = ScheduleState(opened, app), Mark(reckoned=1)
        schedule.add_task("report", {"times": "@daily"}, mark)
        schedule.ask("report", who="me", now=1.0)
        read(opened, app)
        opened.database.execute(f"UPDATE {table} SET {column} = 'torn'")
    with pytest.raises(StateDamagedError, match="is damaged"), opened_state(tmp_path) as opened:
        read(opened, app)


def test_settings_with_a_name_that_nobody_wrote_are_damage(tmp_path: Path) -> None:
    with opened_state(tmp_path) as opened:
        app = opened.create_app("polls")
        opened.set_supervision(app, {"prt": 5000})
    with pytest.raises(StateDamagedError, match="is damaged"):
        read_wanted(tmp_path, app.number)
