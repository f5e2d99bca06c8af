"""One run of a task, in a process of its own: from the row that says it is due to its result.

The process that runs it notes the result itself, so that no supervisor has to live as long as the
task does. It holds the run's lock throughout (``locks``); whoever finds the row without the lock
knows that it was killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from runner.app_lock import app_dir
from runner.deploys.errors import NotDeployedError
from runner.deploys.tables import shown_duration
from runner.engine_choice import determine_engine
from runner.engines.base import EngineRequest
from runner.engines.embedded.identity import has_ended, open_process
from runner.formation import ContainerSpec
from runner.launch import container_spec, one_off_command
from runner.logbook.app_log import AppLog, LogDirectoryError
from runner.logbook.place import log_dir
from runner.one_offs.notes import Notes
from runner.one_offs.owner import Detached, Ended, own
from runner.one_offs.standing import settle_dead, stop_one_off
from runner.release import Release
from runner.schedule.locks import RunLocks
from runner.schedule.task import Overlap, Task
from runner.schedule.tasks import TaskReader
from runner.schedule.words import SCHEDULER, run_name, shown_length
from runner.sizes import find_size
from runner.state.errors import StateBusyError, StateFileError
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Run, RunState
from runner.state.state import opened_state
from runner.state.values import App
from runner.supervision.wanted import parse_settings, read_release
from slugc.privileges import data_dir
from slugc.procfile import ProcessType

_REMAINS_WITHIN = 10.0  # seconds for the container of a killed process to be gone
_NOTE_WITHIN = 3600.0  # seconds to try to note a result on a full disk


class StillRunningError(SlugkitError):
    """The task runs, and is not to run twice."""

    exit_code = ExitCode.TRY_AGAIN
    id = "task-still-running"

    def __init__(self, task: str, other: str) -> None:
        self.task, self.other = task, other
        super().__init__(
            f"{task} still runs, as {other}",
            details="A task runs once at a time, unless it was added with --overlap.",
            resolution=f"Wait for it, or stop it:\n\n    slug-run stop {other}",
        )


@value
class _Begun:
    """A run that may start now."""

    run: Run
    task: Task
    release: Release
    stop_timeout: float


def run_noted(
    number: int,
    run_number: int,
    env: Mapping[str, str],
    started: Callable[[], None] = lambda: None,
) -> None:
    """Run what was noted as due for the app with that number, if nobody else has.

    ``started`` is called when its container is. Raises StillRunningError and what starting a
    container does, which has been noted and logged then.
    """
    home = data_dir(env)
    with opened_state(home) as state:
        app = next((each for each in state.apps() if each.number == number), None)
    if app is None:
        return
    locks = RunLocks(app_dir(home, app))
    with locks.held(run_number) as is_ours:
        if is_ours:
            _TaskRun(home, app, locks, env).run(run_number, started)


class _TaskRun:
    def __init__(self, home: Path, app: App, locks: RunLocks, env: Mapping[str, str]) -> None:
        self._home, self._app, self._locks, self._env = home, app, locks, env
        self._app_dir, self._log_dir = app_dir(home, app), log_dir(home, app)

    def run(self, number: int, started: Callable[[], None]) -> None:
        begun = self._begin(number)
        if begun is None:
            return
        run, task = begun.run, begun.task
        self._say(f"{task.name} starts as {run_name(run)}")
        began = time.monotonic()
        try:
            ended = own(self._detached(begun), started)
        except BaseException as err:  # whatever it is: a run without a result says nothing
            self._could_not_start(run, err)
            raise
        self._note(run, ended, task, time.monotonic() - began)

    def _begin(self, number: int) -> _Begun | None:
        """Everything the run needs, once nothing is in its way; None if it is not to be."""
        with opened_state(self._home) as state:
            schedule = ScheduleState(state, self._app)
            run = schedule.run(number)
            if run is None or run.state is not RunState.DUE:
                return None  # another process was quicker
            task = TaskReader(self._home).read(state, self._app).all.get(run.task)
            if task is None:
                schedule.end(run, RunState.SKIPPED, now=time.time(), detail="it was removed")
                return None
            try:
                release = read_release(state, self._home, self._app)
                if release is None:
                    raise NotDeployedError(self._app.name)
            except SlugkitError as err:
                self._could_not_start(run, err)
                raise
            settings = parse_settings(state.supervision(self._app) or {})
            self._await_remains()
            if not self._claim(schedule, run, task, release):
                return None
        return _Begun(run=run, task=task, release=release, stop_timeout=settings.stop_timeout)

    def _claim(self, schedule: ScheduleState, run: Run, task: Task, release: Release) -> bool:
        """Make the run the one that runs, by whatever the task says of those that do."""

        def is_in_the_way(other: Run) -> bool:
            return task.overlap is not Overlap.ALLOW and self._locks.is_held(other.number)

        version = release.version
        while other := schedule.begin(run, is_in_the_way, version=version, now=time.time()):
            name = run_name(other)
            if task.overlap is Overlap.FORBID:
                schedule.end(run, RunState.SKIPPED, now=time.time(), detail=f"{name} still ran")
                self._say(f"{task.name} was not started: {name} still runs")
                if run.due is None:
                    raise StillRunningError(task.name, name)
                return False
            self._say(f"{task.name}: stopping {name}, which still runs")
            for note in Notes(self._app_dir).read()[0]:
                if note.name == name:
                    stop_one_off(note)
            time.sleep(0.05)  # its process notes the result and ends
        return True

    def _await_remains(self) -> None:
        """Of a process that was killed the container may live for a moment longer."""
        for note in Notes(self._app_dir).read()[1]:
            init = None if note.init is None else open_process(note.init)
            if init is not None:
                has_ended(init, _REMAINS_WITHIN)
                os.close(init)
        settle_dead(self._app_dir, self._log_dir)

    def _detached(self, begun: _Begun) -> Detached:
        return Detached(
            spec=self._spec(begun),
            engine=determine_engine(None, self._env),
            request=EngineRequest(
                release=begun.release,
                limits=find_size(begun.task.size).limits,
                env=self._env,
                notify=self._say,
            ),
            version=begun.release.version,
            app_dir=self._app_dir,
            log_dir=self._log_dir,
            who=begun.run.who,
            stop_timeout=begun.stop_timeout,
            time_limit=begun.task.timeout,
        )

    def _spec(self, begun: _Begun) -> ContainerSpec:
        types = begun.release.slug.metadata.process_types
        return container_spec(
            begun.release,
            process_type=ProcessType(SCHEDULER),
            ordinal=int(run_name(begun.run).rpartition(".")[2]),
            command=one_off_command(begun.task.words, types),
        )

    # Results

    def _could_not_start(self, run: Run, err: BaseException) -> None:
        said = err.brief if isinstance(err, SlugkitError) else f"internal error: {err!r}"
        self._end(run, RunState.FAILED, detail=said)
        self._say(f"{run.task} failed: {said}")

    def _note(self, run: Run, ended: Ended, task: Task, seconds: float) -> None:
        name, length = run_name(run), shown_length(seconds)
        if ended.is_too_late:
            limit = shown_duration(task.timeout or 0.0)
            state, detail = RunState.TIMED_OUT, f"longer than {limit}"
            said = f"failed: {name} ran for longer than {limit}"
        elif ended.was_stopped:
            state, detail, said = RunState.STOPPED, "", f"was stopped: {name}, after {length}"
        elif ended.code:
            state, detail = RunState.FAILED, f"status {ended.code}"
            said = f"failed: {name} exited with status {ended.code} after {length}"
        else:
            state, detail, said = RunState.SUCCEEDED, "", f"succeeded: {name} took {length}"
        self._end(run, state, code=ended.code, detail=detail)
        self._say(f"{task.name} {said}")

    def _end(self, run: Run, state: RunState, *, detail: str, code: int | None = None) -> None:
        now, deadline = time.time(), time.monotonic() + _NOTE_WITHIN
        while True:
            try:
                with opened_state(self._home) as opened:
                    ScheduleState(opened, self._app).end(
                        run, state, now=now, code=code, detail=detail
                    )
            except (StateFileError, StateBusyError):
                # While we try the lock is held, and the task is not started a second time.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(1.0)
            else:
                return

    def _say(self, text: str) -> None:
        say_as_scheduler(self._log_dir, text)


def say_as_scheduler(directory: Path, text: str) -> None:
    """A line of ours in the app's log; nothing fails for want of it."""
    try:
        with AppLog(directory) as log:
            log.system(SCHEDULER, text)
    except LogDirectoryError:
        return  # the result is in state.db, too
