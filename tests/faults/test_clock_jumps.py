"""The clock is set again and again under a supervisor: ten years on, a day back, at every look."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.state.state import opened_state
from runner.supervision.fd_store import LOCK, keeper_argv
from runner.supervision.start import open_lock, supervisor_env
from runner.supervision.wanted import Settings
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.embedded]

# Before anything of ours is imported. Not by libfaketime: sleeping fails when its clock jumps.
SUPERVISOR = """
import itertools, sys, time
real, jumps = time.time, itertools.cycle((0, 10 * 365 * 86400, -86400))
time.time = lambda: real() + next(jumps)
from runner.supervision.daemon import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    """An app that is kept running by somebody whose clock cannot be relied on."""
    found = deployed(open_dir / "site", port=free_port())
    with opened_state(found.home) as state:
        settings = Settings(port=found.port, stop_timeout=1.0)
        state.set_supervision(found.app, settings.as_json())
    directory = found.supervisor_dir
    directory.mkdir(mode=0o700, parents=True)
    lock = open_lock(directory)
    fcntl.flock(lock, fcntl.LOCK_EX)
    words = [sys.executable, "-c", SUPERVISOR, str(found.app.number)]
    with (directory / "errors").open("wb") as errors:
        keeper = subprocess.Popen(
            keeper_argv({LOCK: lock}, words),
            env=supervisor_env(found.env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[lock],
        )
    os.close(lock)
    yield found
    found.must("stop")
    assert keeper.wait(PATIENCE) == 0


def shown(site: Site) -> dict[str, str]:
    return {each["name"]: each["state"] for each in json.loads(site.must("ps", "--json").out)}


def test_containers_are_started_stopped_and_replaced_in_their_time(site: Site) -> None:
    site.must("scale", "web=1", "idle=2", "stubborn=1")
    wanted = dict.fromkeys(("web.1", "idle.1", "idle.2", "stubborn.1"), "up")
    until(lambda: shown(site) == wanted, site.errors)
    assert site.get() == "web.1 "
    before = site.pids()
    site.must("restart", "idle.1")
    after = site.pids()
    assert {name for name in before if before[name] != after[name]} == {"idle.1"}
    until(lambda: "deaf" in site.log("-s", "app"))
    began = time.monotonic()
    site.must("scale", "stubborn=0")
    assert time.monotonic() - began < PATIENCE
    assert "within 1 second of SIGTERM" in site.log("-s", "slug-run")
    assert site.errors() == ""


def test_pauses_after_crashes_are_neither_skipped_nor_endless(site: Site) -> None:
    site.run("scale", "web=0", "crash=1")
    ended = "Process exited with status 3"
    until(lambda: site.log().count(ended) >= 3, site.errors)
    time.sleep(1.5)
    assert site.log().count(ended) < 10


def test_lines_are_in_the_order_in_which_they_were_written(site: Site) -> None:
    site.must("scale", "web=0", "worker=1")
    until(lambda: site.log().count("app[worker.1]") >= 20, site.errors)
    site.must("scale", "worker=0")
    found = re.findall(r"app\[worker\.1\]: line (\d+)$", site.log(), re.M)
    assert [int(number) for number in found] == list(range(1, len(found) + 1))


def test_releases_are_in_the_order_of_their_numbers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runner.state import state

    stamps = iter(("2036-01-01T00:00:00+00:00", "1999-12-31T00:00:00+00:00"))
    monkeypatch.setattr(state, "_now", lambda: next(stamps))
    for color in ("red", "blue"):
        site.release(color)
    listed = json.loads(site.must("releases", "--json").out)
    assert [each["version"] for each in listed] == [3, 2, 1]
    with opened_state(site.home) as opened:
        current = opened.current(site.app)
        assert current is not None
        assert current.config_vars == {"COLOR": "blue"}
