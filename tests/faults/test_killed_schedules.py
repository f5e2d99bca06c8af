"""SIGKILL for supervisors and keepers at random moments around the start of a scheduled task.

More rounds by hand: SLUGKIT_ROUNDS=200 pytest tests/faults/test_killed_schedules.py
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.schedule.task import Task
from runner.schedule.times import Rhythm
from runner.schedule.words import run_name
from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Mark, Run, RunState
from runner.state.state import opened_state
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.embedded]

ROUNDS = int(os.environ.get("SLUGKIT_ROUNDS", "6"))
SEED = int(os.environ.get("SLUGKIT_SEED", "0")) or int(time.time())
VICTIMS = (("supervisor",), ("keeper",), ("supervisor", "keeper"), ("keeper", "supervisor"))


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port(), files={"Procfile": "idle: sleep 1000\n"})
    found.start("idle=0")
    yield found
    found.run("stop", "scheduler")
    found.must("stop")


def add_overdue(site: Site, name: str) -> None:
    """A task that was due half an hour ago, and that nobody has looked at since."""
    due = time.gmtime(time.time() - 1800)
    task = Task(
        name=name,
        rhythm=Rhythm(times=f"{due.tm_min} {due.tm_hour} * * *", zone="UTC"),
        words=(f"echo {name} has run; sleep 0.1",),
        start_within=3600.0,
    )
    mark = Mark(reckoned=int(time.time()) - 7200, rhythm=task.rhythm.key)
    with opened_state(site.home) as state:
        assert ScheduleState(state, site.app).add_task(name, task.as_json(), mark)


def runs(site: Site) -> tuple[Run, ...]:
    with opened_state(site.home) as state:
        return ScheduleState(state, site.app).runs()


def are_over(site: Site, names: list[str]) -> bool:
    found = runs(site)
    is_open = any(run.state in {RunState.DUE, RunState.RUNNING} for run in found)
    return not is_open and {run.task for run in found} == set(names)


def test_each_task_runs_once_whoever_is_killed(site: Site) -> None:
    dice = random.Random(SEED)
    names = [f"task{number}" for number in range(ROUNDS)]
    for name in names:
        add_overdue(site, name)
        with contextlib.ExitStack() as stack:
            for victim in dice.choice(VICTIMS):
                pid = site.processes().get(victim)
                if pid is not None:
                    stack.callback(kill, pid)
            # The supervisor sees that state.db has changed: at its next look, or when it is asked.
            asking = threading.Thread(target=site.run, args=("scale", "idle=0"))
            asking.start()
            time.sleep(dice.uniform(0.1, 0.7))
        asking.join()
    site.must("scale", "idle=0")
    until(lambda: are_over(site, names), lambda: f"seed {SEED}: {runs(site)}")
    found = runs(site)
    assert sorted(run.task for run in found) == sorted(names), SEED
    assert {run.state for run in found} == {RunState.SUCCEEDED}, (SEED, found)
    log = site.log()
    for run in found:
        assert log.count(f"app[{run_name(run)}]: {run.task} has run\n") == 1, SEED
        assert log.count(f"{run.task} succeeded: ") == 1, SEED


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
