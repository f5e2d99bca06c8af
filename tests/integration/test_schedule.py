"""Scheduled tasks under a real supervisor: started at their time, once, with an end that is told.

Nobody waits for a minute here: a task's time is one that has just passed, and what was reckoned is
set back before it, as if the supervisor had been away for a moment.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runner.state.schedule import ScheduleState
from runner.state.schedule_values import Mark
from runner.state.state import opened_state
from tests.integration.supervision_support import Site, command_lines, deployed
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

CRON = {"cron": [{"command": "hello", "schedule": "0 0 1 1 *", "timezone": "Europe/Berlin"}]}
FILES = {
    "Procfile": "idle: exec sleep 100000\nhello: echo hello from $DYNO $COLOR\n",
    "app.json": json.dumps(CRON),
}


@pytest.fixture(scope="module")
def running(session_dir: Path) -> Iterator[Site]:
    """An app that runs nothing but its schedule."""
    found = deployed(session_dir / "scheduled", port=free_port(), files=FILES)
    found.release("green")
    found.start("idle=0")
    yield found
    found.run("stop", "scheduler")
    found.run("stop")


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    yield running
    running.run("stop", "scheduler")
    for task in tasks(running).values():
        if task["origin"] == "command":
            running.must("schedule", "remove", task["name"])


def tasks(site: Site) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(site.must("schedule", "--json").out)}


def runs(site: Site, name: str) -> list[dict[str, Any]]:
    """Oldest first."""
    found = json.loads(site.must("schedule", "runs", name, "--json").out)
    return list(reversed(found))


def states(site: Site, name: str) -> list[str]:
    return [each["state"] for each in runs(site, name)]


def add(site: Site, name: str, *words: str, minutes_ago: float = 3, within: str = "1h") -> None:
    """A task whose time has passed without anybody's having looked."""
    due = datetime.fromtimestamp(time.time() - minutes_ago * 60, UTC)
    times = f"{due.minute} {due.hour} * * *"
    at = words.index("--")
    site.must("schedule", "add", times, "--name", name, "--start-within", within, *words[:at],
              "--", *words[at + 1 :])  # fmt: skip
    overdue(site, name)


def overdue(site: Site, name: str) -> None:
    """Let its last time be one that nobody has looked at, and wake the supervisor."""
    look_back(site, name)
    site.must("scale", "idle=0")


def look_back(site: Site, name: str) -> None:
    with opened_state(site.home) as state:
        schedule = ScheduleState(state, site.app)
        mark = schedule.marks()[name]
        long_ago = int(time.time()) - 7200
        schedule.set_mark(name, Mark(reckoned=long_ago, rhythm=mark.rhythm))


def lines(site: Site, name: str) -> list[str]:
    return [line.partition(": ")[2] for line in site.log("-d", name).splitlines()]


def said(site: Site, task: str) -> list[str]:
    return [line for line in lines(site, "scheduler") if line.startswith(f"{task} ")]


def has_ended(site: Site, name: str) -> bool:
    found = states(site, name)
    return bool(found) and not {"due", "running"} & set(found)


def waits_for(site: Site, name: str, *wanted: str) -> None:
    until(lambda: states(site, name) == list(wanted), lambda: f"{states(site, name)}")


def run_times(site: Site) -> str:
    return str(tasks(site)["greet"]["times"])


def sleeping(marker: str) -> list[int]:
    return [pid for pid, line in command_lines().items() if line.startswith(f"sleep\0{marker}")]


def test_a_task_is_run_at_its_time_and_its_result_is_shown(site: Site) -> None:
    add(site, "greet", "--", "echo $DYNO $COLOR; exit 3")
    waits_for(site, "greet", "failed")
    (run,) = runs(site, "greet")
    name = run["container"]
    assert (run["code"], run["release"], run["who"]) == (3, 2, "scheduler")
    assert lines(site, name) == [
        "Starting process with command `echo $DYNO $COLOR; exit 3` by scheduler",
        "State changed from starting to up",
        f"{name} green",
        "Process exited with status 3",
        "State changed from up to complete",
    ]
    assert f"app[{name}]: {name} green" in site.log("-d", name)
    until(lambda: len(said(site, "greet")) == 2)
    first, second = said(site, "greet")
    assert first == f"greet starts as {name}"
    assert second.startswith(f"greet failed: {name} exited with status 3 after ")
    shown = site.must("schedule").out
    assert f"=== greet: echo $DYNO $COLOR; exit 3\nTimes: {run_times(site)}, UTC\n" in shown
    assert "Last:  failed (status 3), 20" in shown
    # Looked at again, and again by another supervisor, that time has passed.
    overdue(site, "greet")
    os.kill(site.processes()["supervisor"], signal.SIGKILL)
    site.must("scale", "idle=0")
    overdue(site, "greet")
    assert states(site, "greet") == ["failed"]


def test_a_task_of_the_app_json_runs_by_hand_and_stays(site: Site) -> None:
    found = tasks(site)["hello"]
    assert (found["origin"], found["zone"]) == ("app.json", "Europe/Berlin")
    assert found["next"].endswith("-01-01T00:00:00+01:00")
    done = site.must("schedule", "run", "hello")
    assert done.out.startswith("Running hello... done, scheduler.")
    until(lambda: has_ended(site, "hello"))
    (run,) = runs(site, "hello")
    assert (run["state"], run["who"], run["due"]) == ("succeeded", "me", None)
    assert f"hello from {run['container']} green" in lines(site, run["container"])
    refused = site.run("schedule", "remove", "hello")
    assert refused.code == 64
    assert "hello comes with polls's release" in refused.err
    site.must("schedule", "pause", "hello")
    assert tasks(site)["hello"]["next"] is None
    site.must("schedule", "resume", "hello")
    assert tasks(site)["hello"]["next"] is not None


def test_killed_supervisors_leave_a_run_to_its_end_and_never_two(site: Site) -> None:
    add(site, "slow", "--", "sleep 5811; exit 9")
    until(lambda: len(sleeping("5811")) == 1)
    name = runs(site, "slow")[0]["container"]
    assert f"=== scheduler: one-off processes (1)\n{name}: up " in site.must("ps").out
    for _ in range(2):
        os.kill(site.processes()["supervisor"], signal.SIGKILL)
        overdue(site, "slow")
        refused = site.run("schedule", "run", "slow")
        assert refused.code == 75
        assert f"slow still runs, as {name}" in refused.err
    assert len(sleeping("5811")) == 1
    os.kill(site.processes()["supervisor"], signal.SIGKILL)
    os.kill(sleeping("5811")[0], signal.SIGKILL)
    until(lambda: runs(site, "slow")[0]["state"] == "failed")
    assert runs(site, "slow")[0]["code"] == 9
    assert f"slow failed: {name} exited with status 9" in said(site, "slow")[-1]


def test_a_run_whose_process_is_killed_is_lost_and_told(site: Site) -> None:
    add(site, "orphan", "--", "sleep 5812; exit 9")
    until(lambda: len(sleeping("5812")) == 1)
    number = runs(site, "orphan")[0]["number"]
    (owner,) = [
        pid for pid, line in command_lines().items()
        if f"runner.schedule.process\0{site.app.number}\0{number}\0" in line
        and f"SLUGKIT_HOME={site.home}" in Path(f"/proc/{pid}/environ").read_text()
    ]  # fmt: skip
    os.kill(owner, signal.SIGKILL)
    until(lambda: not sleeping("5812"))
    waits_for(site, "orphan", "lost")
    name = runs(site, "orphan")[0]["container"]
    until(lambda: len(said(site, "orphan")) == 2)
    assert said(site, "orphan")[1] == (
        f"orphan failed: the process that stayed with {name} was killed"
    )
    site.must("schedule", "run", "orphan")
    until(lambda: len(sleeping("5812")) == 1)


def test_what_is_too_late_was_missed(site: Site) -> None:
    add(site, "late", "--", "echo never", minutes_ago=30, within="1m")
    waits_for(site, "late", "missed")
    assert "nobody was there to start it" in said(site, "late")[0]
    assert "missed" in site.must("schedule").out
    assert json.loads(site.must("ps", "--json").out) == []


def test_overlap_and_replace(site: Site) -> None:
    add(site, "both", "--overlap", "--", "sleep 5813; exit 9")
    add(site, "one", "--replace", "--", "sleep 5814; exit 9")
    until(lambda: len(sleeping("5813")) == len(sleeping("5814")) == 1)
    before = sleeping("5814")
    site.must("schedule", "run", "both")
    site.must("schedule", "run", "one")
    assert len(sleeping("5813")) == 2
    until(lambda: len(sleeping("5814")) == 1 and sleeping("5814") != before)
    waits_for(site, "one", "stopped", "running")
    assert states(site, "both") == ["running", "running"]


def test_a_time_limit_ends_a_task(site: Site) -> None:
    add(site, "endless", "--timeout", "0.3s", "--", "exec sleep 5815")
    waits_for(site, "endless", "timed out")
    name = runs(site, "endless")[0]["container"]
    until(lambda: len(said(site, "endless")) == 2)
    assert said(site, "endless")[1] == f"endless failed: {name} ran for longer than 0.3s"


def test_an_app_that_does_not_run_runs_no_task_and_says_so(open_dir: Path) -> None:
    site = deployed(open_dir / "still", port=free_port(), files={"Procfile": "a: true\n"})
    done = site.must("schedule", "add", "0 3 * * *", "--tz", "Europe/Berlin", "--", "true")
    assert done.out.startswith("Added true: 0 3 * * * Europe/Berlin, next at 20")
    told = "polls is not running, and its tasks only run while it does: slug-run start -d"
    assert told in done.err
    assert told in site.must("schedule").err
    look_back(site, "true")
    assert site.must("schedule", "runs", "true").err == "Nothing has run yet.\n"
    again = site.run("schedule", "add", "0 3 * * *", "--name", "true", "--", "true")
    assert (again.code, again.out) == (64, "")
    assert "already" in again.err
    assert site.must("schedule", "add", "@daily", "--", "true").out.startswith("Added true-2: ")


def test_an_app_json_that_would_never_run_is_not_deployed(open_dir: Path) -> None:
    broken = {"cron": [{"command": "true", "schedule": "61 * * * *"}]}
    site = deployed(
        open_dir / "broken", port=free_port(),
        files={"Procfile": "a: true\n", "app.json": json.dumps(broken)},
    )  # fmt: skip
    for command in ("deploy", "plan"):
        refused = site.run(command, str(open_dir / "broken" / "app.slug"), "--app", "polls")
        assert (refused.code, refused.out) == (65, "")
        assert "The scheduled tasks in app.json cannot be used" in refused.err
        assert "cron[0].schedule" in refused.err
    assert "cannot be used" in site.must("schedule").err


def test_tasks_of_the_app_json_change_with_the_release(open_dir: Path) -> None:
    site = deployed(open_dir / "first", port=free_port(), files=FILES)
    other = deployed(open_dir / "other", port=free_port(), files={"Procfile": "hello: true\n"})
    assert set(tasks(site)) == {"hello"}
    site.must("schedule", "pause", "hello")
    site.must("schedule", "add", "@daily", "--name", "mine", "--", "true")
    site.must("deploy", str(other.home.parent / "app.slug"), "--app", "polls")
    assert set(tasks(site)) == {"mine"}
    site.must("rollback", "--app", "polls")
    assert set(tasks(site)) == {"hello", "mine"}
    assert tasks(site)["hello"]["paused"]
    # A task of the same name that was added meanwhile stays what it is.
    site.must("deploy", str(other.home.parent / "app.slug"), "--app", "polls")
    site.must("schedule", "add", "@daily", "--name", "hello", "--", "true")
    site.must("rollback", "--app", "polls")
    assert {name: each["origin"] for name, each in tasks(site).items()} == {
        "hello": "command", "hello-2": "app.json", "mine": "command",
    }  # fmt: skip
