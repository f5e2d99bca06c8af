"""Ctrl-C, SIGTERM and SIGHUP to a command at any moment, some twice: it ends, and all is whole.

More rounds by hand: SLUGKIT_ROUNDS=200 pytest tests/faults/test_stopped_commands.py
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runner.state.values import ReleaseStatus
from tests.integration.rollout_support import Releases
from tests.integration.supervision_support import LIMIT, Site, deployed
from tests.integration.support import free_port
from tests.waiting import until

ROUNDS = int(os.environ.get("SLUGKIT_ROUNDS", "2"))
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROCFILE = "web: exec /usr/bin/python3 server.py\nidle: exec sleep 100000\n"

pytestmark = pytest.mark.embedded


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port())
    found.start("web=1", "idle=1")
    yield found
    found.must("stop")


def stopped(site: Site, words: Sequence[str], chooser: random.Random) -> tuple[int, str]:
    """How the command ended that was stopped at some moment, and with what words."""
    process = subprocess.Popen(
        (sys.executable, "-m", "runner.main", *words),
        env=site.env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    number = chooser.choice(STOPPING)
    time.sleep(chooser.uniform(0.02, 0.5))
    process.send_signal(number)
    if chooser.random() < 0.3:
        time.sleep(chooser.uniform(0.0, 0.4))
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT)
    # Until Python has begun with slug-run the signal itself ends the process.
    allowed = {0, 128 + number, -number, 128 + signal.SIGINT, -signal.SIGINT}
    assert process.returncode in allowed, (words, number, process.returncode, said)
    assert "Traceback" not in said, (words, number, said)
    return process.returncode, said


def test_a_command_that_is_stopped_has_done_all_or_nothing(site: Site) -> None:
    apps = Releases(root=site.home.parent, site=site)
    plain = apps.slug("plain", procfile=PROCFILE)
    phased = apps.slug("phased", procfile=f"{PROCFILE}release: sleep 0.2\n")
    chooser = random.Random(ROUNDS)
    supervisor = site.processes()["supervisor"]
    for number in range(ROUNDS):
        code, _ = stopped(site, ("config", "set", f"A={number}", f"B={number}"), chooser)
        if code == 0:
            assert site.must("config", "get", "A").out == f"{number}\n"
        stopped(site, ("scale", f"idle={1 + number % 2}", f"leaving={number % 2}"), chooser)
        stopped(site, ("deploy", phased if number % 2 else plain, "--force"), chooser)
        stopped(site, ("run", "--app", "polls", "-q", "--", "sleep", "0.3"), chooser)
        code, _ = stopped(site, ("schedule", "add", "--name", f"t{number}", "@daily", "--", "true"),
                          chooser)  # fmt: skip
        if code == 0:
            assert f"t{number}: true" in site.must("schedule").out
        stopped(site, ("restart", "idle"), chooser)
        stopped(site, ("start", "-d", "idle=1", "--port", str(site.port)), chooser)
        assert site.get()
    site.must("deploy", plain, "--force")  # nobody holds a lock; what was left pending is settled
    assert site.get() == "plain"
    assert ReleaseStatus.PENDING not in {*apps.statuses().values()}
    config = dict(line.split(": ") for line in site.must("config").out.splitlines()[2:])
    assert config.get("A") == config.get("B"), "set together"
    until(lambda: {each["state"] for each in site.containers_now()} == {"up"})
    assert site.processes()["supervisor"] == supervisor, site.errors()
    assert site.errors() == ""
    assert [name for name in site.pids() if name.startswith("run.")] == []
