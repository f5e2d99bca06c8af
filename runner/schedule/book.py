"""The schedule of one app, as commands see and change it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.values import value
from runner.app_json.cron import MOST_TASKS
from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.logbook.place import log_dir
from runner.one_offs.standing import settle_dead
from runner.schedule.errors import (
    NoSuchTaskError,
    TaskExistsError,
    TaskOfReleaseError,
    TooManyTasksError,
)
from runner.schedule.listing import View, view
from runner.schedule.locks import RunLocks
from runner.schedule.running import run_noted, say_as_scheduler
from runner.schedule.settling import settle_lost
from runner.schedule.task import Task, name_for
from runner.schedule.tasks import TaskReader, Tasks
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Mark, Run
from runner.state.values import App
from runner.supervision.asking import require_release
from runner.supervision.client import supervisor_dir
from runner.supervision.poke import wake
from runner.supervision.telling import say_in_log


@value
class Book:
    """What is known now."""

    views: tuple[View, ...]
    tasks: Tasks
    is_started: bool
    """whether anything of it runs at its time"""


def read_book(opened: OpenedApp, now: float) -> Book:
    """Everything, after noting what killed processes left."""
    schedule = _settled(opened)
    tasks = TaskReader(opened.data_dir).read(opened.state, opened.app)
    marks, runs, last = schedule.marks(), schedule.open_runs(), schedule.last_runs()
    views = tuple(
        view(
            task,
            is_paused=marks.get(name, Mark()).is_paused,
            runs=runs,
            last=last.get(name),
            now=now,
        )
        for name, task in sorted(tasks.all.items())
    )
    is_started = opened.state.supervision(opened.app) is not None
    return Book(views=views, tasks=tasks, is_started=is_started)


def read_runs(opened: OpenedApp, name: str | None, limit: int) -> tuple[Run, ...]:
    """Newest first. Raises NoSuchTaskError for a name that has neither a task nor runs."""
    schedule = _settled(opened)
    found = schedule.runs(name, limit=limit)
    if not found and name is not None:
        find_task(opened, name)
    return found


def add_task(opened: OpenedApp, task: Task, *, is_named: bool) -> Task:
    """Add it; under another name where only we have named it. Raises TaskExistsError."""
    schedule = ScheduleState(opened.state, opened.app)
    taken = TaskReader(opened.data_dir).read(opened.state, opened.app).all
    if len(schedule.tasks()) >= MOST_TASKS:
        raise TooManyTasksError(opened.app.name, MOST_TASKS)
    name = task.name if is_named else name_for(task.words, taken)
    mark = Mark(reckoned=int(time.time()), rhythm=task.rhythm.key)
    if name in taken or not schedule.add_task(name, task.as_json(), mark):
        raise TaskExistsError(opened.app.name, name)
    _wake(opened)
    say_in_log(opened, f"Schedule {name} ({task.rhythm.key}) added by {opened.who}")
    return TaskReader(opened.data_dir).read(opened.state, opened.app).all[name]


def remove_task(opened: OpenedApp, name: str) -> None:
    """Forget it. Raises NoSuchTaskError and TaskOfReleaseError."""
    if find_task(opened, name).is_of_release:
        raise TaskOfReleaseError(opened.app.name, name)
    ScheduleState(opened.state, opened.app).remove_task(name)
    say_in_log(opened, f"Schedule {name} removed by {opened.who}")


def pause_task(opened: OpenedApp, name: str, *, is_paused: bool) -> Task:
    """Start nothing of it any more, or again. Raises NoSuchTaskError."""
    task = find_task(opened, name)
    ScheduleState(opened.state, opened.app).pause(name, is_paused=is_paused)
    _wake(opened)
    done = "paused" if is_paused else "resumed"
    say_in_log(opened, f"Schedule {name} {done} by {opened.who}")
    return task


def ask_for_run(opened: OpenedApp, name: str) -> Run:
    """Note a run that is to start now. Raises NoSuchTaskError and NotDeployedError."""
    find_task(opened, name)
    require_release(opened)
    return _settled(opened).ask(name, who=opened.who, now=time.time())


def start_asked(data_dir: Path, app: App, run: Run, env: Mapping[str, str] = os.environ) -> None:
    """Start that run, detached. Never while state.db is open: SQLite must not be forked.

    Raises DetachedStartError with what keeps it from starting.
    """
    from runner.one_offs.detach import start_away

    whole_env = {**env, "SLUGKIT_HOME": str(data_dir)}
    start_away(lambda started: run_noted(app.number, run.number, whole_env, started))


def find_task(opened: OpenedApp, name: str) -> Task:
    tasks = TaskReader(opened.data_dir).read(opened.state, opened.app)
    if name not in tasks.all:
        raise NoSuchTaskError(opened.app.name, name, sorted(tasks.all))
    return tasks.all[name]


def zones(tasks: Tasks, runs: Sequence[Run]) -> Mapping[str, str]:
    """The zone of each run's task; runs of tasks that are gone are shown in UTC."""
    return {run.task: tasks.all[run.task].rhythm.zone for run in runs if run.task in tasks.all}


def _wake(opened: OpenedApp) -> None:
    """Its next time may be before the supervisor's next look."""
    wake(supervisor_dir(app_dir(opened.data_dir, opened.app)))


def _settled(opened: OpenedApp) -> ScheduleState:
    schedule = ScheduleState(opened.state, opened.app)
    directory, log = app_dir(opened.data_dir, opened.app), log_dir(opened.data_dir, opened.app)
    settle_dead(directory, log)
    settle_lost(schedule, RunLocks(directory), lambda text: say_as_scheduler(log, text))
    return schedule
