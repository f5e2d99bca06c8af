"""Apps that do not behave, and people who change one in several ways at once."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.state.state import opened_state
from runner.state.values import ReleaseStatus
from tests.integration.supervision_support import FILES, Site, command_lines, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.embedded]

PROCFILE = """\
web: exec /usr/bin/python3 server.py
idle: exec sleep 100000
done: echo all done
stubborn: trap '' TERM; echo deaf; while :; do sleep 0.1; done
leaving: exec /usr/bin/python3 leaving.py
daemon: (setsid sh -c 'sleep 271828 & exit 0' &) ; sleep 0.2; echo gone; exit 0
parent: (setsid sh -c 'trap "" TERM; sleep 314159 & wait' &) ; exec sleep 100000
"""


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    files = {"Procfile": PROCFILE, **FILES}
    found = deployed(open_dir / "site", port=free_port(), files=files)
    yield found
    found.must("stop")


def inside(seconds: int) -> list[int]:
    """The processes that an app left behind itself, by what they sleep for."""
    return [pid for pid, line in command_lines().items() if line == f"sleep\0{seconds}\0"]


def test_who_ignores_sigterm_is_killed_and_that_is_said(site: Site) -> None:
    site.start("web=0", "stubborn=1", "--stop-timeout", "1")
    until(lambda: "deaf" in site.log("-s", "app"))
    began = time.monotonic()
    site.must("scale", "stubborn=0")
    assert time.monotonic() - began < PATIENCE
    log = site.log("-s", "slug-run")
    assert "Error R12 (Exit timeout) -> At least one process failed to exit within 1 second" in log
    assert "Stopping remaining processes with SIGKILL" in log
    assert site.pids() == {}


def test_who_ends_in_its_time_of_grace_is_not_killed(site: Site) -> None:
    site.start("web=0", "leaving=1")
    until(lambda: "ready" in site.log("-s", "app"))
    site.must("scale", "leaving=0")
    log = site.log()
    assert "app[leaving.1]: bye" in log
    assert "Process exited with status 7" in log
    assert "R12" not in log
    assert "SIGKILL" not in log


def test_who_ends_with_0_is_started_again_and_with_pauses(site: Site) -> None:
    """A process of the formation has no end of its own; whoever wants one uses run."""
    site.run("start", "-d", "web=0", "done=1", "--port", str(site.port))
    until(lambda: site.log().count("Process exited with status 0") >= 3)
    log = site.log("-s", "slug-run")
    assert "State changed from up to crashed" in log
    assert "Restarting in 1 second" in log
    time.sleep(1.0)
    assert site.log().count("Process exited with status 0") < 8, "no busy loop"


def test_who_forks_twice_and_ends_leaves_nothing_behind(site: Site) -> None:
    site.run("start", "-d", "web=0", "daemon=1", "--port", str(site.port))
    until(lambda: "app[daemon.1]: gone" in site.log())
    site.must("scale", "daemon=0")
    until(lambda: inside(271828) == [])
    assert "Process exited with status 0" in site.log()


def test_what_was_forked_twice_ends_with_its_container(site: Site) -> None:
    site.start("web=0", "parent=1", "--stop-timeout", "1")
    until(lambda: len(inside(314159)) == 1)
    site.must("scale", "parent=0")
    until(lambda: inside(314159) == [])


def test_a_port_that_is_taken_is_told_and_starts_nothing(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.port)):
        refused = site.run("start", "-d", "web=1", "--port", str(site.port))
        assert refused.code == 75
        assert f"Port {site.port} is already in use" in refused.err
        assert site.processes() == {}
        assert site.runs() == []
    site.start("web=1")
    assert site.get() == "web.1 "


def test_scaling_while_a_deploy_is_under_way(site: Site) -> None:
    """Both happen: all that was asked for runs in the end, of the new release, and once."""
    site.start("web=1", "idle=1")
    slug = str(site.home.parent / "app.slug")
    deploy = site.begin("deploy", slug, "--force")
    scales = [site.begin("scale", word) for word in ("idle=3", "web=2", "leaving=1")]
    for process in (deploy, *scales):
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out.decode()
    names = {"web.1", "web.2", "idle.1", "idle.2", "idle.3", "leaving.1"}
    until(lambda: all_up(site, names, version=2))
    assert site.get().startswith("web.")
    site.must("scale", "stubborn=0")


def test_two_deploys_at_once_happen_one_after_the_other(site: Site) -> None:
    site.start("web=1", "idle=1")
    slug = str(site.home.parent / "app.slug")
    deploys = [site.begin("deploy", slug, "--force") for _ in range(2)]
    codes = []
    for process in deploys:
        out, _ = process.communicate(timeout=60)
        codes.append(process.returncode)
        assert b"Traceback" not in out
        assert process.returncode in {0, 75}, out.decode()
    assert 0 in codes
    with opened_state(site.home) as state:
        found = state.releases(site.app)
        assert [each.version for each in found] == list(range(len(found), 0, -1))
        assert len(found) == 1 + codes.count(0)
        assert {each.status for each in found} == {ReleaseStatus.SUCCEEDED}
    until(lambda: all_up(site, {"web.1", "idle.1"}, version=len(found)))


def all_up(site: Site, names: set[str], *, version: int) -> bool:
    found = json.loads(site.must("ps", "--json").out)
    return sorted((each["name"], each["state"], each["release"]) for each in found) == sorted(
        (name, "up", version) for name in names
    )
