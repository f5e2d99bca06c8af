"""Runs whose process was killed: whoever looks notes that they are lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from runner.schedule.locks import RunLocks
from runner.schedule.words import run_name
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Run, RunState

ASKED_WITHIN = 60.0  # seconds between somebody's asking for a run and its lock


def settle_lost(
    schedule: ScheduleState,
    locks: RunLocks,
    say: Callable[[str], None],
    *,
    but: Collection[int] = (),
    clock: Callable[[], float] = time.time,
) -> tuple[Run, ...]:
    """Note the end of killed runs; those that are due and that nobody runs.

    ``but`` are numbers of runs whose process has only just been started.
    """
    left: list[Run] = []
    for run in schedule.open_runs():
        if run.number in but or locks.is_held(run.number):
            continue
        now = clock()
        if run.state is RunState.RUNNING:
            if schedule.end(run, RunState.LOST, now=now, detail="killed"):
                say(f"{run.task} failed: the process that stayed with {run_name(run)} was killed")
            locks.forget(run.number)
        elif run.due is not None:
            left.append(run)
        elif run.started is None or not -ASKED_WITHIN < now - run.started < ASKED_WITHIN:
            schedule.end(run, RunState.LOST, now=now, detail="killed before it began")
            locks.forget(run.number)
    return tuple(left)
