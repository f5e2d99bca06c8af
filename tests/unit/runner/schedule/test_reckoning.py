"""A task's times compared with a clock that stands still, jumps and is set back."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from buildpack.support.values import changed
from runner.schedule.reckoning import CORRECTION, MOST_MISSED, fresh_mark, reckon
from runner.schedule.task import Task
from runner.schedule.times import Rhythm
from runner.state.schedule_values import Mark, Reckoned

DAY = 86400
START = int(datetime(2026, 11, 22, 2, 0, tzinfo=ZoneInfo("UTC")).timestamp())
THREE = START + 3600


def task(times: str = "0 3 * * *", *, start_within: float = 60.0) -> Task:
    return Task(
        name="nightly",
        rhythm=Rhythm(times=times, zone="UTC"),
        words=("true",),
        start_within=start_within,
    )


def marked(at: int, times: str = "0 3 * * *") -> Mark:
    return Mark(reckoned=at, rhythm=f"{times} UTC")


def reckoned(each: Task, at: int, now: float) -> Reckoned:
    return reckon(each, fresh_mark(each, marked(at, each.rhythm.times), now), now)


def test_before_its_time_nothing_is_due() -> None:
    assert reckoned(task(), START, THREE - 0.001) == Reckoned(mark=marked(START))


def test_at_its_time_it_is_run_and_never_again() -> None:
    found = reckoned(task(), START, THREE)
    assert found == Reckoned(mark=marked(THREE), run=THREE)
    assert found.mark.reckoned is not None
    assert reckoned(task(), found.mark.reckoned, THREE + 1).run is None


@pytest.mark.parametrize(("late", "runs"), [(0, True), (60, True), (60.1, False), (3600, False)])
def test_a_little_late_it_is_run_and_later_it_was_missed(late: float, runs: bool) -> None:
    found = reckoned(task(), START, THREE + late)
    assert (found.run == THREE, found.missed) == (runs, 0 if runs else 1)
    assert found.mark.reckoned == THREE


def test_who_may_start_late_is_started_once_for_all_that_was_missed() -> None:
    found = reckoned(task(start_within=7200), START, THREE + 5 * DAY + 3600)
    assert found.run == THREE + 5 * DAY
    assert (found.missed, found.last_missed) == (5, THREE + 4 * DAY)


def test_after_a_long_sleep_everything_is_counted() -> None:
    found = reckoned(task("*/10 * * * *"), START, START + 7200 + 300)
    assert (found.run, found.missed, found.last_missed) == (None, 12, START + 7200)


def test_a_minute_that_passed_while_nobody_looked_does_not_run_twice() -> None:
    found = reckoned(task("* * * * *"), START, START + 125)
    assert (found.run, found.missed, found.last_missed) == (START + 120, 1, START + 60)


def test_a_clock_that_jumps_by_years_is_reckoned_at_once_and_the_last_time_counts() -> None:
    now = START + 20 * 365 * DAY + 30
    found = reckoned(task("* * * * *"), START, now)
    assert found.missed == MOST_MISSED
    assert found.run is not None
    assert now - 60 < found.run <= now
    found = reckoned(task("0 3 * * MON"), START, START + 40 * 365 * DAY)
    assert found.missed >= MOST_MISSED
    assert found.mark.reckoned is not None
    assert found.mark.reckoned > START + 40 * 365 * DAY - 7 * DAY


def test_a_clock_that_is_set_back_runs_nothing_twice() -> None:
    for back in (1, 3600, CORRECTION - 60):
        found = reckoned(task(), THREE, THREE + 5 - back)
        assert (found.run, found.missed, found.mark.reckoned) == (None, 0, THREE)


def test_a_clock_that_was_far_ahead_does_not_stop_the_task_for_years() -> None:
    wrong = START + 4 * 365 * DAY
    mark = fresh_mark(task(), marked(wrong), START)
    assert mark == marked(START)
    assert reckon(task(), mark, THREE).run == THREE


def test_with_another_rhythm_it_begins_anew() -> None:
    """A deploy at 12:00 that moves a task from 03:00 to 10:00 has missed nothing."""
    noon = START + 10 * 3600
    mark = fresh_mark(task("0 10 * * *"), marked(THREE), noon)
    assert mark == marked(noon, "0 10 * * *")
    assert reckon(task("0 10 * * *"), mark, noon).missed == 0


def test_a_mark_without_a_time_begins_now_and_keeps_what_else_it_says() -> None:
    mark = fresh_mark(task(), Mark(is_paused=True), START + 0.9)
    assert mark == changed(marked(START), is_paused=True)
