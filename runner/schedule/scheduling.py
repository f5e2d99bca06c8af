"""A supervisor's duty: starts what comes due, and notes what was missed.

Each run has a process of its own (``running``), which outlives us and notes its result itself.
What is due is a row in state.db before that process is started, so that whoever comes after a
supervisor that was killed in between goes on with it, and nobody does it twice.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.command import Command, spawn
from buildpack.support.errors import SlugkitError, UsageError
from buildpack.support.values import changed
from runner.schedule.locks import RunLocks
from runner.schedule.settling import settle_lost
from runner.schedule.tasks import TaskReader
from runner.schedule.words import SCHEDULER, run_name
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Mark, Reckoned, Run, RunState
from runner.state.state import State, opened_state
from runner.state.values import App

if TYPE_CHECKING:
    from buildpack.support.command import Process
    from runner.schedule.task import Task

AGAIN_AFTER = 5.0  # seconds, when state.db could not be read or written
ASK_EVERY = 1.0  # seconds between looks at whether a run of ours has ended
# Of one app, at once. Each is a container and a process of ours, and who writes an app.json can
# have a hundred of them begin in each minute; those above it wait, as long as they may be late.
MOST_AT_ONCE = 20


class Scheduling:
    """A duty of a supervisor (runner/supervision/duties.py). Times of tasks are of ``clock``,
    which people set, and times of the duty of ``monotonic``, which nobody does."""

    def __init__(  # noqa: PLR0913  # an app, its surroundings, and two clocks
        self,
        data_dir: Path,
        number: int,
        env: Mapping[str, str],
        *,
        say: Callable[[str], None],
        is_open: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``is_open`` says whether anything may be started still."""
        self._data_dir, self._number, self._env = data_dir, number, env
        self._say, self._is_open = say, is_open
        self._clock, self._monotonic = clock, monotonic
        self._reader = TaskReader(data_dir)
        self._next: float | None = None
        self._not_before = float("-inf")
        self._children: dict[int, Process] = {}
        self._asked = float("-inf")
        self._told: frozenset[str] = frozenset()

    def due(self) -> float | None:
        """Reckoned anew whenever it is asked for: the clock may have been set."""
        dues = []
        if self._next is not None:
            dues.append(max(self._monotonic() + self._next - self._clock(), self._not_before))
        if self._children:
            dues.append(self._asked + ASK_EVERY)
        return min(dues, default=None)

    def attend(self) -> None:
        self._asked = self._monotonic()
        has_ended = self._reap()
        if has_ended or (self._next is not None and self._clock() >= self._next):
            self._go_through()

    def look(self) -> None:
        self._reap()
        if self._monotonic() >= self._not_before:
            self._go_through()

    def close(self) -> None:
        """What runs runs on: its process needs nobody."""
        self._children.clear()

    # Everything that is noted about the app, compared with the clock

    def _go_through(self) -> None:
        try:
            with opened_state(self._data_dir) as state:
                app = next((x for x in state.apps() if x.number == self._number), None)
                if app is None or not self._is_open() or state.supervision(app) is None:
                    self._next = None
                    return
                self._attend_app(state, app)
        except SlugkitError as err:
            # Nothing is started that could not be noted; it is due until it was missed.
            self._tell([err])
            self._not_before = self._monotonic() + AGAIN_AFTER
            if self._next is None:
                self._next = self._clock()

    def _attend_app(self, state: State, app: App) -> None:
        schedule = ScheduleState(state, app)
        tasks = self._reader.read(state, app)
        marks = schedule.marks()
        live = {
            name: task
            for name, task in tasks.all.items()
            if not task.is_off and not marks.get(name, Mark()).is_paused
        }
        for name, mark in marks.items():
            if name not in live and mark.reckoned is not None:
                # It begins anew when it comes back: what passes now was not to be run.
                schedule.set_mark(name, changed(mark, reckoned=None))
        problems = [] if tasks.problem is None else [tasks.problem]
        dues: list[int] = []
        for name, task in live.items():
            try:
                due = self._attend_task(schedule, task, marks.get(name, Mark()))
            except UsageError as err:  # a zone this machine has lost; the others go on
                problems.append(err)
            else:
                dues += () if due is None else (due,)
        self._next = min(dues, default=None)
        self._tell(problems)
        self._attend_open(schedule, tasks.all)

    def _attend_task(self, schedule: ScheduleState, task: Task, mark: Mark) -> int | None:
        """Note and start what has come due; when it comes due next."""
        # cronsim: only where there is a task
        from runner.schedule.reckoning import fresh_mark, reckon
        from runner.schedule.times import next_after

        now = self._clock()
        fresh = fresh_mark(task, mark, now)
        found = reckon(task, fresh, now)
        if found.missed or found.run is not None:
            run = schedule.note(task.name, found, who=SCHEDULER)
            self._say_missed(task, found)
            if run is not None:
                self._start(schedule, task, run)
        elif fresh != mark:
            schedule.set_mark(task.name, fresh)
        assert found.mark.reckoned is not None
        return next_after(task.rhythm, found.mark.reckoned)

    def _say_missed(self, task: Task, found: Reckoned) -> None:
        from runner.schedule.reckoning import MOST_MISSED
        from runner.schedule.zones import shown_moment

        if found.missed and found.last_missed is not None:
            more = " or more" if found.missed >= MOST_MISSED else ""
            times = "once" if found.missed == 1 else f"{found.missed}{more} times, the last"
            at = shown_moment(found.last_missed, task.rhythm.zone)
            self._say(f"{task.name} missed {times} at {at}: nobody was there to start it")

    # Runs

    def _start(self, schedule: ScheduleState, task: Task, run: Run) -> None:
        from runner.schedule.task import Overlap

        locks = self._locks()
        if task.overlap is Overlap.FORBID:
            # Its process would find the same; it need not be started for that.
            for other in schedule.open_runs():
                if (
                    other.task == run.task
                    and other.number < run.number
                    and locks.is_held(other.number)
                ):
                    self._skip(schedule, run, other)
                    return
        if self._running(schedule, locks) >= MOST_AT_ONCE:
            return  # it stays due: see _attend_open
        argv = (sys.executable, "-m", "runner.schedule.process", str(self._number), str(run.number))
        try:
            self._children[run.number] = spawn(
                Command(argv=argv, env=self._env, cwd=Path("/")), stderr=2
            )
        except (OSError, SlugkitError) as err:
            schedule.end(run, RunState.FAILED, now=self._clock(), detail=f"not started: {err}")
            self._say(f"{task.name} failed: its process could not be started: {err}")

    def _running(self, schedule: ScheduleState, locks: RunLocks) -> int:
        """How many runs have a process, or have just been given one."""
        numbers = [each.number for each in schedule.open_runs()]
        return sum(each in self._children or locks.is_held(each) for each in numbers)

    def _skip(self, schedule: ScheduleState, run: Run, other: Run) -> None:
        name = run_name(other)
        schedule.end(run, RunState.SKIPPED, now=self._clock(), detail=f"{name} still ran")
        self._say(f"{run.task} was not started: {name} still runs")

    def _attend_open(self, schedule: ScheduleState, tasks: Mapping[str, Task]) -> None:
        """Runs that a predecessor noted and did not start, or whose process has died."""
        left = settle_lost(
            schedule, self._locks(), self._say, but=self._children, clock=self._clock
        )
        for run in left:
            task = tasks.get(run.task)
            assert run.due is not None
            if task is not None and 0 <= self._clock() - run.due <= task.start_within:
                self._start(schedule, task, run)
            else:
                detail = "it was not started in time"
                schedule.end(run, RunState.MISSED, now=self._clock(), detail=detail)
                self._say(f"{run.task} missed once: {detail}")

    def _reap(self) -> bool:
        """Clear away processes that have ended; whether one has without doing anything."""
        ended = [number for number, child in self._children.items() if child.poll() is not None]
        for number in ended:
            code = self._children.pop(number).returncode
            if code:
                self._fail_unbegun(number, code)
        return bool(ended)

    def _fail_unbegun(self, number: int, code: int) -> None:
        """A process that ended before it began would be started again and again."""
        try:
            with opened_state(self._data_dir) as state:
                app = next((x for x in state.apps() if x.number == self._number), None)
                if app is None:
                    return
                schedule = ScheduleState(state, app)
                run = schedule.run(number)
                if run is not None and run.state is RunState.DUE:
                    detail = f"its process ended with status {code} before it began"
                    schedule.end(run, RunState.FAILED, now=self._clock(), detail=detail)
                    self._say(f"{run.task} failed: {detail}")
        except SlugkitError as err:
            self._tell([err])

    def _locks(self) -> RunLocks:
        return RunLocks(self._data_dir / "apps" / str(self._number))

    def _tell(self, problems: Sequence[SlugkitError]) -> None:
        """Each once, for as long as it is there."""
        found = frozenset(" ".join(f"{err.brief}. {err.details}".split()) for err in problems)
        for text in sorted(found - self._told):
            self._say(text)
        self._told = found
