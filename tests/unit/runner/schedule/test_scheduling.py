"""The supervisor's duty, with clocks that do as they are told and processes that do not run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from buildpack.support.command import Command
from runner.app_lock import app_dir
from runner.schedule import scheduling
from runner.schedule.locks import RunLocks
from runner.schedule.scheduling import AGAIN_AFTER, MOST_AT_ONCE, Scheduling
from runner.schedule.task import Overlap, Task
from runner.schedule.times import Rhythm
from runner.state.errors import StateBusyError
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Mark, Run, RunState
from runner.state.state import opened_state
from runner.state.values import App

MIDNIGHT = 1_795_392_000  # 2026-11-23 00:00 UTC
HOUR = 3600


@dataclass(slots=True)
class Child:
    """A process of a run, as far as its supervisor sees it."""

    run: int
    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


@dataclass(slots=True)
class Site:
    """An app, its duty, and both clocks."""

    home: Path
    app: App
    now: float = MIDNIGHT - 600.0
    up: float = 50.0
    said: list[str] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    is_open: bool = True

    def duty(self) -> Scheduling:
        return Scheduling(
            self.home, self.app.number, {}, say=self.said.append, is_open=lambda: self.is_open,
            clock=lambda: self.now, monotonic=lambda: self.up,
        )  # fmt: skip

    def spawn(self, command: Command, *, stderr: int) -> Child:
        assert command.argv[1:4] == ("-m", "runner.schedule.process", str(self.app.number))
        child = Child(int(command.argv[4]))
        self.children.append(child)
        return child

    def add(self, name: str, times: str = "0 * * * *", *, overlap: Overlap = Overlap.FORBID,
            start_within: float = 60.0) -> None:  # fmt: skip
        task = Task(
            name=name, rhythm=Rhythm(times=times, zone="UTC"), words=("true",), overlap=overlap,
            start_within=start_within,
        )  # fmt: skip
        with opened_state(self.home) as state:
            mark = Mark(reckoned=int(self.now), rhythm=task.rhythm.key)
            assert ScheduleState(state, self.app).add_task(name, task.as_json(), mark)

    def pause(self, name: str, *, is_paused: bool) -> None:
        with opened_state(self.home) as state:
            ScheduleState(state, self.app).pause(name, is_paused=is_paused)

    def begin(self, number: int) -> None:
        with opened_state(self.home) as state:
            schedule = ScheduleState(state, self.app)
            run = schedule.run(number)
            assert run is not None
            assert schedule.begin(run, lambda _: False, version=1, now=self.now) is None

    def end(self, number: int, state: RunState = RunState.SUCCEEDED) -> None:
        with opened_state(self.home) as opened:
            schedule = ScheduleState(opened, self.app)
            run = schedule.run(number)
            assert run is not None
            schedule.end(run, state, now=self.now, code=0)

    def runs(self) -> tuple[Run, ...]:
        with opened_state(self.home) as state:
            return ScheduleState(state, self.app).runs()

    def advance(self, duty: Scheduling, seconds: float) -> None:
        """Both clocks, as the supervisor's rounds do: to each time that is due, until then."""
        end = self.up + seconds
        while (due := duty.due()) is not None and due <= end:
            step = max(0.0, due - self.up)
            self.up, self.now = self.up + step, self.now + step
            duty.attend()
        self.up, self.now = end, self.now + end - self.up

    def jump(self, duty: Scheduling, seconds: float) -> None:
        """Somebody sets the clock; within ten seconds the supervisor looks."""
        self.now += seconds
        self.up, self.now = self.up + 10, self.now + 10
        duty.look()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    with opened_state(tmp_path) as state:
        app = state.create_app("polls")
        state.set_supervision(app, {})
    app_dir(tmp_path, app)
    found = Site(home=tmp_path, app=app)
    monkeypatch.setattr(scheduling, "spawn", found.spawn)
    return found


def test_an_app_without_tasks_has_nothing_due(site: Site) -> None:
    duty = site.duty()
    duty.look()
    assert duty.due() is None
    assert site.said == []


def test_each_time_starts_one_process_and_only_then(site: Site) -> None:
    site.add("sync")
    duty = site.duty()
    duty.look()
    assert duty.due() == site.up + 600
    site.advance(duty, 599)
    assert site.children == []
    site.advance(duty, 1)
    (child,) = site.children
    (run,) = site.runs()
    assert (run.number, run.due, run.state) == (child.run, MIDNIGHT, RunState.DUE)
    site.begin(child.run)
    site.end(child.run)
    child.returncode = 0
    site.advance(duty, 3 * HOUR)
    for later in site.children:
        later.returncode = 0
    assert len({child.run for child in site.children}) == len(site.children)
    assert [run.due for run in reversed(site.runs())] == [
        MIDNIGHT + n * HOUR for n in range(4)
    ]  # fmt: skip


def test_a_task_that_is_added_paused_resumed_and_removed_is_noticed(site: Site) -> None:
    duty = site.duty()
    duty.look()
    site.add("sync")
    duty.look()
    assert duty.due() is not None
    site.pause("sync", is_paused=True)
    duty.look()
    assert duty.due() is None
    site.now += 5 * HOUR
    site.pause("sync", is_paused=False)
    duty.look()
    assert duty.due() == site.up + 600
    assert (site.runs(), site.said) == ((), [])
    with opened_state(site.home) as state:
        ScheduleState(state, site.app).remove_task("sync")
    duty.look()
    assert duty.due() is None


def test_while_one_runs_the_next_is_left_out_without_a_process(site: Site) -> None:
    site.add("sync")
    duty = site.duty()
    duty.look()
    site.advance(duty, 600)
    (child,) = site.children
    with RunLocks(site.home / "apps" / "1").held(child.run):
        site.begin(child.run)
        site.advance(duty, 3 * HOUR)
    assert len(site.children) == 1
    skipped = site.runs()[0]
    name = f"scheduler.{1000 + child.run}"
    assert (skipped.state, skipped.count, skipped.detail) == (
        RunState.SKIPPED, 3, f"{name} still ran",
    )  # fmt: skip
    assert site.said == [f"sync was not started: {name} still runs"] * 3


def test_who_asks_for_it_runs_twice_at_once(site: Site) -> None:
    site.add("sync", overlap=Overlap.ALLOW)
    duty = site.duty()
    duty.look()
    site.advance(duty, 600)
    with RunLocks(site.home / "apps" / "1").held(site.children[0].run):
        site.begin(site.children[0].run)
        site.advance(duty, HOUR)
    assert len(site.children) == 2


def test_of_many_that_come_due_at_once_some_wait_as_long_as_they_may_be_late(site: Site) -> None:
    for number in range(MOST_AT_ONCE + 2):
        site.add(f"task-{number:02d}", "0 0 * * *")
    duty = site.duty()
    duty.look()
    site.advance(duty, 600)
    assert len(site.children) == MOST_AT_ONCE
    site.end(site.children[0].run)
    site.children[0].returncode = 0
    site.advance(duty, 5)
    assert [child.run for child in site.children[MOST_AT_ONCE:]] == [MOST_AT_ONCE + 1]
    site.advance(duty, 100)
    site.jump(duty, 0)
    assert len(site.children) == MOST_AT_ONCE + 1
    (missed,) = [run for run in site.runs() if run.state is RunState.MISSED]
    assert missed.detail == "it was not started in time"


def test_after_a_long_sleep_what_was_missed_is_told_once(site: Site) -> None:
    site.add("sync", "*/10 * * * *")
    duty = site.duty()
    duty.look()
    site.jump(duty, 5 * HOUR + 300)
    duty.look()
    assert site.children == []
    (row,) = site.runs()
    assert (row.state, row.count) == (RunState.MISSED, 30)
    assert site.said == [
        "sync missed 30 times, the last at 2026-11-23 04:50 UTC: nobody was there to start it"
    ]


def test_what_a_short_absence_missed_is_made_up_for_once(site: Site) -> None:
    site.add("sync", start_within=HOUR)
    site.duty().look()
    site.now += 600 + 2 * HOUR + 1800
    duty = site.duty()
    duty.look()
    duty.look()
    (child,) = site.children
    assert [(run.state, run.due) for run in site.runs()] == [
        (RunState.DUE, MIDNIGHT + 2 * HOUR),
        (RunState.MISSED, MIDNIGHT + HOUR),
    ]
    assert child.run == site.runs()[0].number


@pytest.mark.parametrize("back", [30, HOUR, 2 * HOUR, 5 * HOUR, 30 * HOUR])
def test_a_clock_that_is_set_back_runs_nothing_twice(site: Site, back: int) -> None:
    site.add("sync", "0 0 * * *")
    duty = site.duty()
    duty.look()
    site.advance(duty, 605)
    (child,) = site.children
    site.begin(child.run)
    site.end(child.run)
    child.returncode = 0
    site.jump(duty, -back)
    site.advance(duty, back + 60)
    assert [run.due for run in site.runs()].count(MIDNIGHT) == 1
    site.advance(duty, 86400)
    days = [run.due for run in site.runs()]
    assert len(set(days)) == len(days)
    assert MIDNIGHT + 86400 in days


def test_a_successor_starts_what_was_noted_and_not_started(site: Site) -> None:
    """As if its predecessor had been killed between the row and the process."""
    site.add("sync")
    duty = site.duty()
    duty.look()
    site.advance(duty, 600)
    (first,) = site.children
    site.now += 5
    site.duty().look()
    assert [child.run for child in site.children] == [first.run, first.run]
    site.now += 600
    site.duty().look()
    assert len(site.children) == 2
    assert site.runs()[0].state is RunState.MISSED
    assert site.said == ["sync missed once: it was not started in time"]


def test_a_process_that_runs_is_left_alone_by_a_successor(site: Site) -> None:
    site.add("sync")
    duty = site.duty()
    duty.look()
    site.advance(duty, 600)
    (child,) = site.children
    with RunLocks(site.home / "apps" / "1").held(child.run):
        site.begin(child.run)
        site.duty().look()
        assert site.runs()[0].state is RunState.RUNNING
    site.duty().look()
    assert site.runs()[0].state is RunState.LOST
    assert len(site.children) == 1


def test_a_process_that_ends_before_it_began_is_not_started_again_and_again(site: Site) -> None:
    site.add("sync")
    duty = site.duty()
    duty.look()
    site.advance(duty, 600)
    site.children[0].returncode = 1
    site.advance(duty, 30)
    assert len(site.children) == 1
    assert site.runs()[0].detail == "its process ended with status 1 before it began"
    assert site.said == ["sync failed: its process ended with status 1 before it began"]


def test_the_end_of_a_killed_process_is_noted_within_seconds(site: Site) -> None:
    site.add("sync")
    duty = site.duty()
    duty.look()
    site.advance(duty, 600)
    site.begin(site.children[0].run)
    site.children[0].returncode = -9
    site.advance(duty, 2)
    assert site.runs()[0].state is RunState.LOST


@pytest.mark.parametrize("is_stopped", [True, False])
def test_an_app_that_is_stopped_or_about_to_be_starts_nothing(
    site: Site, *, is_stopped: bool
) -> None:
    site.add("sync")
    duty = site.duty()
    duty.look()
    if is_stopped:
        with opened_state(site.home) as state:
            state.set_supervision(site.app, None)
    else:
        site.is_open = False
    site.now += 600
    duty.attend()
    assert (site.children, site.runs(), duty.due()) == ([], (), None)


def test_nothing_is_started_that_cannot_be_noted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add("sync")
    duty = site.duty()
    duty.look()

    def busy(_: Path) -> None:
        raise StateBusyError(Path("state.db"), 10.0)

    with monkeypatch.context() as patch:
        patch.setattr(scheduling, "opened_state", busy)
        site.now, site.up = site.now + 600, site.up + 600
        for _ in range(3):
            duty.attend()
        assert site.children == []
        assert len(site.said) == 1
        assert duty.due() == site.up + AGAIN_AFTER
    site.advance(duty, AGAIN_AFTER)
    assert len(site.children) == 1


def test_a_release_whose_tasks_cannot_be_read_does_not_hold_up_the_others(site: Site) -> None:
    from runner.state.values import NewRelease

    new = NewRelease(slug=f"sha256:{'0' * 64}", config_vars={}, description="x", who="me")
    with opened_state(site.home) as state:
        state.add_release(site.app, lambda _: new)
    site.add("sync")
    duty = site.duty()
    duty.look()
    duty.look()
    assert len(site.said) == 1
    assert "slug" in site.said[0]
    site.advance(duty, 600)
    assert len(site.children) == 1


def test_a_zone_that_the_machine_has_lost_holds_up_its_task_alone(site: Site) -> None:
    lost = Task(name="lost", rhythm=Rhythm(times="@hourly", zone="Atlantis/A"), words=("true",))
    with opened_state(site.home) as state:
        ScheduleState(state, site.app).add_task("lost", lost.as_json(), Mark())
    site.add("sync")
    duty = site.duty()
    duty.look()
    duty.look()
    assert site.said == [
        "There is no time zone called 'Atlantis/A'. Names are those of the IANA time zone database."
    ]
    site.advance(duty, 600)
    assert len(site.children) == 1


def test_what_is_kept_of_a_task_is_json(site: Site) -> None:
    site.add("sync")
    with opened_state(site.home) as state:
        found = ScheduleState(state, site.app).tasks()["sync"]
    assert json.loads(json.dumps(found))["words"] == ["true"]
