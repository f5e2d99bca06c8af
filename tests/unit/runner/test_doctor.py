"""What `slug-run doctor` says of machines that lack something."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildpack.support.hierarchies import Hierarchies
from runner.doctor.engine_findings import cgroup_finding, embedded_findings, engine_findings
from runner.doctor.findings import Finding, Verdict, as_json, exit_code, fail, ok, report, warn
from runner.doctor.machine_findings import (
    caddy_finding,
    clock_finding,
    data_findings,
    port_finding,
    room_finding,
)
from runner.doctor.network_finding import network_finding
from runner.engines.base import Limits
from runner.engines.embedded.checks import Machine
from runner.errors import EngineUnavailableError
from runner.main import main
from runner.state.database import SCHEMA
from runner.state.state import opened_state

ENGINE = Finding(name="docker engine", verdict=Verdict.FAIL, found="no", is_engine=True)


def test_each_line_has_a_verdict_and_each_fix_stands_below() -> None:
    findings = (ok("kernel", "Linux 6.1"), warn("Caddy", "not installed", "apt install caddy"))
    assert report(findings) == (
        "ok    kernel  Linux 6.1\nwarn  Caddy   not installed\n              -> apt install caddy"
    )


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ((ok("a", ""), warn("b", "")), 0),
        ((ok("a", ""), fail("b", "")), 1),
        ((fail("b", ""), ENGINE), 69),
    ],
)
def test_the_exit_code_tells_engines_from_the_rest(
    findings: tuple[Finding, ...], code: int
) -> None:
    assert exit_code(findings) == code
    assert as_json(findings, "docker")["ok"] is (code == 0)


def test_only_the_engine_that_would_be_taken_has_to_run() -> None:
    def check(name: str, _: Mapping[str, str]) -> EngineUnavailableError | None:
        if name == "host":
            return None
        return EngineUnavailableError(
            name, problems=[f"No {name}."], remedies=["As root:", "    apt install it", "Or:  pray"]
        )

    embedded, docker, host = engine_findings("embedded", {}, check=check)
    assert embedded == Finding(
        name="embedded engine",
        verdict=Verdict.FAIL,
        found="cannot run here: No embedded.",
        fix="As root: apt install it; Or: pray",
        is_engine=True,
    )
    assert docker == warn(
        "docker engine",
        "cannot run here, which matters with --engine docker only",
        "As root: apt install it; Or: pray",
    )
    assert host.verdict is Verdict.OK


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """A machine with no programs, no tun device and forbidden namespaces."""
    settings = tmp_path / "proc" / "sys" / "user"
    settings.mkdir(parents=True)
    (settings / "max_user_namespaces").write_text("0\n")
    return Machine(
        env={"PATH": str(tmp_path)},
        proc=tmp_path / "proc",
        tun=tmp_path / "tun",
        release="5.4.0",
    )


@pytest.mark.parametrize("is_chosen", [True, False])
def test_what_the_embedded_engine_lacks_is_told_one_by_one(
    bare: Machine, tmp_path: Path, is_chosen: bool
) -> None:
    found = embedded_findings(bare, is_chosen=is_chosen, apparmor=tmp_path / "none")
    verdict = Verdict.FAIL if is_chosen else Verdict.WARN
    told = {each.name: (each.verdict, each.fix) for each in found}
    assert told == {
        "programs": (
            verdict,
            "apt install bubblewrap; apt install slirp4netns; apt install iproute2;"
            " apt install util-linux; apt install mount",
        ),
        "user namespaces": (verdict, "sysctl -w user.max_user_namespaces=15000"),
        "kernel": (verdict, "boot Linux 5.11 or newer"),
        "/dev/net/tun": (verdict, "modprobe tun"),
        "seccomp": (Verdict.OK, ""),
        "bubblewrap": (Verdict.OK, ""),
        "slirp4netns": (Verdict.WARN, "apt install slirp4netns"),
        "AppArmor": (Verdict.OK, ""),
    }
    assert exit_code(found) == (69 if is_chosen else 0)


def test_apparmor_names_the_profile(bare: Machine, tmp_path: Path) -> None:
    (tmp_path / "enabled").write_text("Y\n")
    (bare.proc / "self" / "attr").mkdir(parents=True)
    (bare.proc / "self" / "attr" / "current").write_text("unconfined\n")
    found = embedded_findings(bare, is_chosen=True, apparmor=tmp_path / "enabled")
    assert found[-1] == ok("AppArmor", "in use; the profile of this process: unconfined")


def test_a_network_that_cannot_be_made_is_told_with_what_refused_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.doctor.network_finding.sockets_root", lambda _: tmp_path)
    monkeypatch.setattr("runner.doctor.network_finding.tool_env", lambda env: env)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("setpriv", "unshare"):  # the first of them, as root and as a user
        (programs / name).write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    found = network_finding({"PATH": str(programs)})
    assert (found.name, found.verdict, found.is_engine) == ("app network", Verdict.FAIL, True)
    assert found.found == "cannot be made. bridge: Operation not permitted"
    assert found.fix.startswith("allow what it says; in a CI container: docker run --privileged")

    (programs / "setpriv").unlink()
    (programs / "unshare").unlink()
    missing = network_finding({"PATH": str(programs)})
    assert (missing.verdict, missing.is_engine) == (Verdict.FAIL, True)
    assert "was not found" in missing.found
    assert [each.name for each in tmp_path.iterdir()] == ["bin"]


def test_limits_that_do_not_hold_are_told(tmp_path: Path) -> None:
    limits = Limits(cpus=1)
    assert cgroup_finding(limits, None) == warn(
        "cgroups",
        "Limits are soft here, for each process instead of each container; the CPU limit does not"
        " hold at all: no cgroup access",
        "start as root, or: systemd-run --user --scope -p Delegate=yes slug-run ...",
    )
    some = Hierarchies(v2=None, v1={"memory": tmp_path, "pids": tmp_path})
    assert cgroup_finding(limits, some) == warn(
        "cgroups",
        "v1 (memory, pids). The CPU limit does not hold here: the kernel offers no cpu cgroup",
        "boot a kernel with the cpu controller",
    )
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids")
    assert cgroup_finding(limits, Hierarchies(v2=tmp_path, v1={})) == ok(
        "cgroups", "v2: memory, CPU and process limits hold"
    )


def test_a_port_that_is_taken_is_no_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = port_finding(port)
    assert found.verdict is Verdict.WARN
    assert found.found.startswith(f"Port {port} is already in use. 127.0.0.1:{port} is held by ")
    assert found.fix == f"Stop that program, or choose another port: --port {port + 1}"
    assert port_finding(port) == ok(f"port {port}", "free")


def test_without_caddy_there_is_a_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("runner.front.TOOL_PATH", str(tmp_path))
    found = caddy_finding({"PATH": str(tmp_path)})
    assert (found.verdict, found.fix) == (Verdict.WARN, "apt install caddy")


def test_a_clock_before_our_own_files_is_wrong() -> None:
    assert clock_finding(1e9, 1e9).found == "2001-09-09 01:46:40 UTC"
    assert clock_finding(0.0, 1e9) == fail(
        "clock",
        "1970-01-01 00:00:00 UTC, which is before Slugkit was installed",
        "set the clock",
    )


def test_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(size: int) -> Finding:
        usage = SimpleNamespace(free=size)
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
        return room_finding(tmp_path / "not" / "there")

    assert free(20 << 30) == ok("disk", "20.0 GiB free")
    assert free(500 << 20) == warn("disk", f"500 MiB free in {tmp_path}", "make room: slugc prune")
    assert free(1 << 20) == fail("disk", f"1 MiB free in {tmp_path}", "make room: slugc prune")


def data(path: Path) -> dict[str, tuple[str, str]]:
    return {
        each.name: (str(each.verdict), each.found) for each in data_findings(path, path / "sockets")
    }


def test_a_data_directory_that_is_not_there_is_fine_and_not_made(tmp_path: Path) -> None:
    found = data(tmp_path / "home")
    del found["disk"], found["disk quotas"]
    assert found == {
        "data directory": ("ok", f"{tmp_path}/home (not made yet)"),
        "state.db": ("ok", "not made yet: no apps"),
        "stale runs": ("ok", "none"),
    }
    assert not (tmp_path / "home").exists()


def test_the_state_file_is_read_and_not_changed(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        state.create_app("polls")
    path = tmp_path / "state.db"
    assert data(tmp_path)["state.db"] == ("ok", "whole")

    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 1")
    database.close()
    before = path.read_bytes()
    assert data(tmp_path)["state.db"] == ("ok", "whole")
    assert path.read_bytes() == before

    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    verdict, said = data(tmp_path)["state.db"]
    assert (verdict, said.partition(".db was ")[2]) == (
        "fail",
        f"made by a newer Slugkit. Its schema is 99; this one knows up to {SCHEMA}.",
    )

    path.write_bytes(b"rubbish" * 1000)
    verdict, said = data(tmp_path)["state.db"]
    assert verdict == "fail"
    assert said.endswith("is damaged. SQLite says: file is not a database.")


def test_runs_that_were_killed_are_named_and_live_ones_are_not(tmp_path: Path) -> None:
    for name in ("embedded-dead", "embedded-live", "docker-dead"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "lock").touch()
    descriptor = os.open(tmp_path / "run" / "embedded-live" / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    found = data(tmp_path)["stale runs"]
    os.close(descriptor)
    assert found == ("warn", "2 that were killed left files: embedded-dead, docker-dead")


def test_what_runs_of_deleted_data_directories_left_is_counted(tmp_path: Path) -> None:
    left = tmp_path / "sockets" / "embedded-0123abcd"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    found = f"1 killed ones of other data directories left files in {tmp_path}/sockets"
    assert data(tmp_path)["stale runs"] == ("warn", found)
    assert left.exists()


def test_the_command_gives_json_and_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "home"))
    assert main(["doctor", "--engine", "host"]) == 0
    assert "\nok    host engine " in capsys.readouterr().out

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "state.db").write_bytes(b"rubbish" * 1000)
    assert main(["doctor", "--engine", "host", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["engine"]) == (False, "host")
    broken = [each for each in answer["findings"] if each["verdict"] == "fail"]
    assert [each["name"] for each in broken] == ["state.db"]
    assert broken[0]["fix"].startswith("Nothing was changed. Restore it from a backup")

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert main(["doctor", "--engine", "docker"]) == 69
    assert "fail  docker engine " in capsys.readouterr().out
