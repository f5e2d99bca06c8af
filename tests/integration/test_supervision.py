"""Apps that are left running: started, scaled, replaced, restarted and stopped by real commands."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildpack.support.hierarchies import find_hierarchies
from runner.state.state import opened_state
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port())
    yield found
    found.must("stop")


def app_lines(site: Site, name: str) -> list[str]:
    """What was said about and by a container, without the times."""
    lines = [line.partition(" ")[2] for line in site.log("-d", name).splitlines()]
    return [line.replace(f"[{name}]", "") for line in lines]


def test_an_app_is_started_scaled_listed_and_stopped_without_leaving_anything(site: Site) -> None:
    said = site.start()
    assert said.out == f"Now running web at 1:standard-1x\nhttp://localhost:{site.port}\n"
    assert site.get() == "web.1 "
    before = site.pids()
    said = site.must("scale", "web=2", "idle+1")
    assert said.out == "Now running web at 2:standard-1x, idle at 1:standard-1x\n"
    assert said.err.startswith("Scaling polls: web 1 => 2, idle 0 => 1\n")
    assert set(site.pids()) == {"web.1", "web.2", "idle.1"}
    assert site.pids()["web.1"] == before["web.1"]
    assert {site.get() for _ in range(30)} == {"web.1 ", "web.2 "}
    assert site.must("scale").out == "web=2:standard-1x idle=1:standard-1x\n"
    shown = site.must("ps").out
    assert re.search(
        r"^=== web \(standard-1x\): exec /usr/bin/python3 server.py \(2\)$", shown, re.M
    )
    assert re.search(r"^web\.1: up \d\d:\d\d:\d\d \(~ \d+s ago\)$", shown, re.M)
    runs = site.runs()
    said = site.must("stop")
    assert said.out == "Stopped polls\n"
    again = f"slug-run start -d --app polls --port {site.port}"
    assert said.err.endswith(f"To start it as it was: {again}\n")
    assert site.left_behind(runs) == []
    assert site.must("ps").err == "polls is not running: slug-run start -d --app polls\n"
    assert site.must("scale").out == "web=2:standard-1x idle=1:standard-1x\n"
    site.start()
    assert set(site.pids()) == {"web.1", "web.2", "idle.1"}


def test_programs_are_told_of_a_start_a_restart_and_a_stop_in_a_line(site: Site) -> None:
    def told(*words: str) -> dict[str, Any]:
        (line,) = site.must(*words, "--json").out.splitlines()
        found = json.loads(line)
        assert isinstance(found, dict)
        assert (found["event"], found["app"], found["ok"]) == ("result", "polls", True)
        return found

    started = told("start", "-d", "web=1", "--port", str(site.port))
    assert [(each["name"], each["state"]) for each in started["containers"]] == [("web.1", "up")]
    (before,), (after,) = started["containers"], told("restart")["containers"]
    assert before["pid"] != after["pid"]
    assert after.keys() == before.keys() == site.containers()["web.1"].keys()
    assert told("stop", "web.1")["message"] == "Stopped web.1"
    assert told("stop")["changed"] is True


def test_scaling_to_what_it_is_restarts_nothing(site: Site) -> None:
    site.start("idle=2")
    before = site.pids()
    said = site.must("scale", "idle=2", "web=1")
    assert said.err == "Scaling polls: nothing changes\n"
    assert site.pids() == before


def test_scaling_down_takes_the_highest_numbers_and_to_nothing_is_allowed(site: Site) -> None:
    site.start("idle=3", "web=0")
    before = site.pids()
    site.must("scale", "idle=1")
    assert site.pids() == {"idle.1": before["idle.1"]}
    site.must("scale", "idle=0")
    assert site.containers() == {}
    assert site.must("ps").err == "polls runs no containers: slug-run scale web=1 --app polls\n"


def test_a_new_release_takes_the_place_of_the_old_one_while_requests_go_on(site: Site) -> None:
    site.start("web=2", "leaving=1")
    until(lambda: "app[leaving.1]: ready" in site.log())
    site.release("blue")
    site.must("scale", "web=2")
    assert {site.get() for _ in range(30)} == {"web.1 blue", "web.2 blue"}
    lines = app_lines(site, "leaving.1")
    old = lines.index("slug-run: State changed from up to starting")
    assert lines[old : old + 5] == [
        "slug-run: State changed from up to starting",
        "slug-run: Stopping all processes with SIGTERM",
        "app: bye",
        "slug-run: Process exited with status 7",
        "slug-run: Starting process with command `exec /usr/bin/python3 leaving.py`",
    ]
    assert all(each["release"] == 2 for each in site.containers().values())


def test_restart_replaces_what_it_names_and_nothing_else(site: Site) -> None:
    site.start("idle=2", "web=1")
    before = site.pids()
    assert site.must("restart", "idle.2").out == "Restarted idle.2\n"
    after = site.pids()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"idle.2"}
    site.must("stop", "web")
    assert site.pids()["web.1"] != before["web.1"]
    for command in ("restart", "stop"):
        said = site.run(command, "wrk.1")
        assert said.code == 64
        assert "polls has no container called 'wrk.1'" in said.err
        assert "It has: web.1, idle.1, idle.2." in said.err
        assert "Restarting" not in said.err
        assert "Stopping" not in said.err


def test_a_container_that_crashes_is_started_again_with_growing_pauses(site: Site) -> None:
    site.start("crash=1", "web=0")
    until(lambda: site.containers()["crash.1"]["crashes"] >= 3)
    lines = app_lines(site, "crash.1")
    assert lines[:8] == [
        "slug-run: Starting process with command `echo last words; exit 3`",
        "slug-run: State changed from starting to up",
        "app: last words",
        "slug-run: Process exited with status 3",
        "slug-run: State changed from up to crashed",
        "slug-run: State changed from crashed to starting",
        "slug-run: Starting process with command `echo last words; exit 3`",
        "slug-run: State changed from starting to up",
    ]
    assert [line for line in lines if "Restarting in" in line][:2] == [
        "slug-run: Restarting in 1 second",
        "slug-run: Restarting in 2 seconds",
    ]


def test_a_process_that_ignores_sigterm_is_killed_after_the_time_it_has(site: Site) -> None:
    site.start("stubborn=1", "web=0", "--stop-timeout", "0.5")
    until(lambda: "deaf" in site.log())
    site.must("scale", "stubborn=0")
    lines = app_lines(site, "stubborn.1")
    assert lines[-5:] == [
        "slug-run: State changed from up to down",
        "slug-run: Stopping all processes with SIGTERM",
        "slug-run: Error R12 (Exit timeout) -> At least one process failed to exit within"
        " 0.5 seconds of SIGTERM",
        "slug-run: Stopping remaining processes with SIGKILL",
        "slug-run: Process exited with status 137",
    ]


IPV6_ONLY = """\
import os, socket, time
s = socket.create_server(("::", int(os.environ["PORT"])), family=socket.AF_INET6)
time.sleep(99)
"""
ELSEWHERE = """\
exec /usr/bin/python3 -c 'import socket, time; s = socket.create_server(("", 8000)); time.sleep(99)'
"""


@pytest.mark.parametrize(
    ("web", "patience", "found"),
    [
        ("exec sleep 1000\n", 0.3, "nothing"),
        (ELSEWHERE, 3.0, "0.0.0.0:8000"),
        ("exec /usr/bin/python3 ipv6.py\n", 3.0, "[::]:5000 (takes IPv6 only: listen on 0.0.0.0)"),
    ],
    ids=["nowhere", "elsewhere", "IPv6 only"],
)
def test_a_web_process_that_does_not_listen_is_given_up_and_it_is_said_where_it_does(
    web: str, patience: float, found: str, open_dir: Path
) -> None:
    files = {"Procfile": f"web: {web}", "ipv6.py": IPV6_ONLY}
    quiet = deployed(open_dir / "quiet", port=free_port(), files=files)
    try:
        said = quiet.run("start", "-d", "--port", str(quiet.port), "--boot-timeout", f"{patience}")
        assert said.code == 1
        assert "web.1 did not come up" in said.err
        assert "The last web.1 said" not in said.err  # nothing
        assert "Error R10 (Boot timeout) -> Web process failed to bind" in quiet.log()
        assert f"PORT is 5000; listening here: {found}\n" in quiet.log()
    finally:
        quiet.must("stop")


def test_sigterm_to_the_keeper_ends_everything_gently_and_it_comes_back(site: Site) -> None:
    site.start("leaving=1")
    until(lambda: "app[leaving.1]: ready" in site.log())
    runs = site.runs()
    keeper = site.processes()["keeper"]
    os.kill(keeper, signal.SIGTERM)
    until(lambda: not site.processes())
    assert "app[leaving.1]: bye" in site.log()
    assert site.left_behind(runs) == []
    site.must("scale", "web=1")  # any command that pokes starts what should be there
    assert set(site.pids()) == {"web.1", "leaving.1"}


def test_after_both_were_killed_nothing_runs_and_a_restart_starts_each_container_once(
    site: Site,
) -> None:
    site.start("idle=1", "--boot-timeout", "7")
    processes = site.processes()
    os.kill(processes["keeper"], signal.SIGKILL)
    os.kill(processes["supervisor"], signal.SIGKILL)
    until(lambda: not site.processes())
    for words in (("restart", "web.1"), ("stop", "web.1"), ("exec", "web.1", "true")):
        said = site.run(*words)
        assert (said.code, "polls is not running" in said.err) == (1, True), (words, said)
    before = app_lines(site, "web.1")
    site.must("restart")
    began = "slug-run: Starting process with command `exec /usr/bin/python3 server.py`"
    assert app_lines(site, "web.1")[len(before) :].count(began) == 1
    site.start("--boot-timeout", "60")  # the default, and meant
    with opened_state(site.home) as state:
        kept = state.supervision(site.app)
    assert kept is not None
    assert kept["boot_timeout"] == 60


def test_a_container_has_no_descriptor_of_ours_and_its_group_limits_it(site: Site) -> None:
    site.start("web=0", "open=1:standard-2x")
    until(lambda: "app[open.1]" in site.log())
    # The fourth is that of the directory that bash reads.
    assert "app: /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3" in app_lines(
        site, "open.1"
    )
    hierarchies = find_hierarchies()
    if hierarchies is not None and hierarchies.v2 is None:
        group = next((hierarchies.v1["memory"] / "slugkit" / site.runs()[0]).glob("open.1-*"))
        assert (group / "memory.limit_in_bytes").read_text() == f"{2 << 30}\n"
        cpu = hierarchies.v1["cpu"] / "slugkit" / site.runs()[0] / group.name
        assert (cpu / "cpu.shares").read_text() == "2048\n"


def test_what_a_service_runs_keeps_the_app_until_it_is_stopped(site: Site) -> None:
    site.start()
    argv = (sys.executable, "-m", "runner.main", "service", "run")
    with subprocess.Popen(argv, env=site.env, cwd="/", stdin=subprocess.DEVNULL) as service:
        first = site.processes()["keeper"]
        assert first != service.pid  # it waits: somebody keeps the app already
        os.kill(first, signal.SIGTERM)
        until(lambda: site.processes().get("keeper") == service.pid)
        until(lambda: site.containers().get("web.1", {}).get("state") == "up")
        site.must("stop")
        assert service.wait(PATIENCE) == 0


def test_a_port_that_somebody_has_is_told_before_anything_starts(site: Site) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", site.port))
        holder.listen(1)
        said = site.run("start", "-d", "--port", str(site.port))
    assert said.code == 75
    assert f"Port {site.port} is already in use" in said.err
    assert site.runs() == []


def test_an_app_without_a_deploy_has_nothing_to_start(site: Site) -> None:
    """Said also where somebody has the port."""
    site.must("apps", "create", "fresh")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", site.port))
        holder.listen(1)
        said = site.run("start", "-d", "-a", "fresh", "--port", str(site.port))
    assert said.code == 64
    assert "Nothing was deployed to fresh yet" in said.err
    site.must("apps", "destroy", "-a", "fresh", "--confirm", "fresh")
