"""What state.db keeps of runs: each once, each with an end, and not without limit."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.schedule.locks import RunLocks
from runner.schedule.settling import settle_lost
from runner.state.schedule import KEPT_PER_TASK, ScheduleState
from runner.state.schedule_values import Mark, Reckoned, Run, RunState
from runner.state.state import State, opened_state

ME = "scheduler"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with opened_state(tmp_path) as opened:
        yield opened


@pytest.fixture
def schedule(state: State) -> ScheduleState:
    return ScheduleState(state, state.create_app("polls"))


def due(schedule: ScheduleState, at: int, task: str = "sync") -> Run | None:
    return schedule.note(task, Reckoned(mark=Mark(reckoned=at, rhythm="x"), run=at), who=ME)


def noted(schedule: ScheduleState, at: int, task: str = "sync") -> Run:
    run = due(schedule, at, task)
    assert run is not None
    return run


def nothing_in_the_way(_: Run) -> bool:
    return False


def test_tasks_are_kept_by_name(schedule: ScheduleState) -> None:
    assert schedule.add_task("sync", {"times": "@daily"}, Mark(reckoned=5, rhythm="@daily UTC"))
    assert not schedule.add_task("sync", {"times": "@hourly"}, Mark())
    assert schedule.tasks() == {"sync": {"times": "@daily"}}
    schedule.pause("other", is_paused=True)
    assert schedule.add_task("other", {}, Mark(reckoned=5))
    assert not schedule.marks()["other"].is_paused
    schedule.remove_task("other")
    assert schedule.marks() == {"sync": Mark(reckoned=5, rhythm="@daily UTC")}
    schedule.remove_task("sync")
    assert (dict(schedule.tasks()), dict(schedule.marks())) == ({}, {})


def test_a_time_is_noted_once_whatever_the_clock_does(schedule: ScheduleState) -> None:
    run = noted(schedule, 100)
    assert (run.due, run.state, run.who) == (100, RunState.DUE, ME)
    assert due(schedule, 100) is None
    assert noted(schedule, 160).number != run.number
    assert noted(schedule, 100, "other").task == "other"


def test_a_paused_task_begins_anew(schedule: ScheduleState) -> None:
    schedule.set_mark("sync", Mark(reckoned=5, rhythm="x"))
    schedule.pause("sync", is_paused=True)
    assert schedule.marks()["sync"] == Mark(is_paused=True, rhythm="x")
    schedule.set_mark("sync", Mark(reckoned=7, rhythm="y"))
    assert schedule.marks()["sync"] == Mark(is_paused=True, reckoned=7, rhythm="y")
    schedule.pause("sync", is_paused=False)
    assert schedule.marks()["sync"] == Mark(rhythm="y")


def test_a_stopped_app_has_missed_nothing(state: State, schedule: ScheduleState) -> None:
    app = state.app("polls")
    state.set_supervision(app, {})
    schedule.set_mark("sync", Mark(reckoned=5, rhythm="x"))
    state.set_supervision(app, {"port": 1})
    assert schedule.marks()["sync"].reckoned == 5
    state.set_supervision(app, None)
    assert schedule.marks()["sync"] == Mark(rhythm="x")


def test_missed_times_in_a_row_are_one_row(schedule: ScheduleState) -> None:
    for last, count in ((300, 3), (360, 1)):
        found = Reckoned(mark=Mark(reckoned=last, rhythm="x"), missed=count, last_missed=last)
        assert schedule.note("sync", found, who=ME) is None
    (row,) = schedule.runs()
    assert (row.state, row.count, row.due) == (RunState.MISSED, 4, 360)
    run = schedule.note(
        "sync",
        Reckoned(mark=Mark(reckoned=480, rhythm="x"), missed=1, last_missed=420, run=480),
        who=ME,
    )
    assert run is not None
    assert [(each.due, each.count) for each in schedule.runs()] == [(480, 1), (420, 5)]


def test_runs_that_one_run_kept_away_are_one_row(schedule: ScheduleState) -> None:
    first = noted(schedule, 60)
    assert schedule.begin(first, nothing_in_the_way, version=3, now=60.5) is None
    for at in (120, 180, 240):
        run = noted(schedule, at)
        assert schedule.end(run, RunState.SKIPPED, now=at, detail="scheduler.1001 still ran")
    assert [(x.state, x.due, x.count) for x in schedule.runs()] == [
        (RunState.SKIPPED, 240, 3),
        (RunState.RUNNING, 60, 1),
    ]


def test_of_two_that_begin_one_is_in_the_others_way(schedule: ScheduleState) -> None:
    first, second, third = (noted(schedule, at) for at in (60, 120, 180))
    assert schedule.begin(first, lambda _: True, version=1, now=60) is None
    found = schedule.begin(second, lambda _: True, version=1, now=120)
    assert found is not None
    assert found.number == first.number
    assert schedule.begin(second, nothing_in_the_way, version=1, now=120) is None
    assert schedule.end(first, RunState.SUCCEEDED, now=61, code=0)
    assert schedule.end(second, RunState.FAILED, now=121, code=3, detail="status 3")
    assert schedule.begin(third, lambda _: True, version=1, now=180) is None
    ended = schedule.run(second.number)
    assert ended is not None
    assert (ended.code, ended.started, ended.ended, ended.version) == (3, 120, 121, 1)
    assert not schedule.end(first, RunState.LOST, now=99)
    assert {run.state for run in schedule.last_runs().values()} == {RunState.FAILED}


def test_the_history_is_bounded_and_what_runs_is_kept(schedule: ScheduleState) -> None:
    first = noted(schedule, 1)
    schedule.begin(first, nothing_in_the_way, version=1, now=1)
    for at in range(2, KEPT_PER_TASK + 20):
        schedule.end(noted(schedule, at), RunState.SUCCEEDED, now=at, code=0)
    runs = schedule.runs()
    assert KEPT_PER_TASK <= len(runs) <= KEPT_PER_TASK + 2
    assert runs[-1].number == first.number
    assert runs[0].due == KEPT_PER_TASK + 19


def test_a_destroyed_app_takes_its_schedule_along(state: State, schedule: ScheduleState) -> None:
    run = noted(schedule, 60)
    schedule.add_task("sync", {}, Mark())
    state.destroy_app(state.app("polls"))
    assert not schedule.end(run, RunState.SUCCEEDED, now=61)
    assert (schedule.runs(), dict(schedule.tasks())) == ((), {})


# Locks


def test_a_lock_is_held_by_one_and_leaves_nothing(tmp_path: Path) -> None:
    locks = RunLocks(tmp_path)
    assert not locks.is_held(7)
    with locks.held(7) as is_ours:
        assert is_ours
        assert locks.is_held(7)
        with locks.held(7) as is_ours_too:
            assert not is_ours_too
        assert locks.is_held(7)
    assert list((tmp_path / "schedule").iterdir()) == []


def test_what_a_killed_process_ran_is_lost(schedule: ScheduleState, tmp_path: Path) -> None:
    locks, said = RunLocks(tmp_path), list[str]()
    dead, alive, waiting = (noted(schedule, at, f"task{at}") for at in (60, 120, 180))
    for run in (dead, alive):
        schedule.begin(run, nothing_in_the_way, version=1, now=60)
    killed = multiprocessing.get_context("fork").Process(target=_hold, args=(locks, dead.number))
    killed.start()
    killed.join(30)
    with locks.held(alive.number):
        left = settle_lost(schedule, locks, said.append, clock=lambda: 300.0)
    assert [run.number for run in left] == [waiting.number]
    states = {run.task: run.state for run in schedule.runs()}
    assert states == {
        "task60": RunState.LOST, "task120": RunState.RUNNING, "task180": RunState.DUE,
    }  # fmt: skip
    name = f"scheduler.{1000 + dead.number}"
    assert said == [f"task60 failed: the process that stayed with {name} was killed"]


def _hold(locks: RunLocks, number: int) -> None:
    import os
    import signal

    with locks.held(number):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("later", "then"), [(10, RunState.DUE), (61, RunState.LOST)])
def test_a_run_somebody_asked_for_has_a_minute_to_begin(
    schedule: ScheduleState, tmp_path: Path, later: float, then: RunState
) -> None:
    run = schedule.ask("sync", who="me", now=1000.0)
    settle_lost(schedule, RunLocks(tmp_path), print, clock=lambda: 1000.0 + later)
    found = schedule.run(run.number)
    assert found is not None
    assert found.state is then
