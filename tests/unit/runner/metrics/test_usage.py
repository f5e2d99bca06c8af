"""What containers use, read from groups and processes that a test has made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildpack.support.cgroups import Cgroup
from runner.engines.embedded.processes import descendants
from runner.metrics.from_cgroup import read_charged, read_group
from runner.metrics.from_proc import read_at_most, read_processes
from runner.metrics.processes import count_running
from runner.metrics.rows import usage_rows
from runner.metrics.usage import Measured, Usage, read_usage

MIB = 1 << 20
V1 = {
    "memory/memory.usage_in_bytes": f"{30 * MIB}\n",
    "memory/memory.stat": "cache 1\nrss 2\ntotal_cache 12582912\ntotal_rss 16777216\n"
    "total_swap 1048576\ntotal_pgpgin 900\ntotal_pgpgout 300\n"
    f"total_inactive_file {6 * MIB}\ntotal_active_file {2 * MIB}\n",
    "pids/pids.current": "7\n",
    "pids/cgroup.procs": "",
    "pids/tasks": "",
    "cpu/cpuacct.usage": "1500000000\n",
}
V2 = {
    "memory.current": f"{30 * MIB}\n",
    "memory.swap.current": f"{MIB}\n",
    "memory.stat": f"anon {16 * MIB}\nfile {12 * MIB}\n"
    f"inactive_file {6 * MIB}\nactive_file {2 * MIB}\n",
    "pids.current": "7\n",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
}


def made(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def group_v1(root: Path) -> Cgroup:
    made(root, V1)
    return Cgroup(dirs={name: root / name for name in ("memory", "pids", "cpu")}, is_v2=False)


def group_v2(root: Path) -> Cgroup:
    made(root, V2)
    return Cgroup(dirs=dict.fromkeys(("memory", "pids", "cpu"), root), is_v2=True)


def test_a_group_of_v1_is_read(tmp_path: Path) -> None:
    assert read_group(group_v1(tmp_path)) == Usage(
        memory=23 * MIB,
        rss=16 * MIB,
        cache=12 * MIB,
        swap=MIB,
        cpu_seconds=1.5,
        processes=7,
        pages_in=900,
        pages_out=300,
    )


def test_a_group_of_v2_is_read(tmp_path: Path) -> None:
    usage = read_group(group_v2(tmp_path))
    assert usage == Usage(
        memory=23 * MIB, rss=16 * MIB, cache=12 * MIB, swap=MIB, cpu_seconds=1.5, processes=7
    )
    assert usage.total == 29 * MIB


def test_what_a_group_is_charged_is_never_less_than_its_memory(tmp_path: Path) -> None:
    v1, v2 = group_v1(tmp_path / "1"), group_v2(tmp_path / "2")
    assert (read_charged(v1), read_charged(v2)) == (30 * MIB, 31 * MIB)


def test_without_a_group_for_processor_time_it_is_the_processes(tmp_path: Path) -> None:
    group = group_v1(tmp_path)
    (tmp_path / "cpu/cpuacct.usage").unlink()
    (tmp_path / "pids/cgroup.procs").write_text(f"{os.getpid()}\n{2**22 + 1}\n")
    usage = read_group(group)
    times = os.times()
    assert usage is not None
    assert 0 < usage.cpu_seconds <= sum(times[:4]) + 60


@pytest.mark.parametrize("make", [group_v1, group_v2])
def test_a_group_that_is_gone_uses_nothing(tmp_path: Path, make: object) -> None:
    assert callable(make)
    group = make(tmp_path)
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert read_group(group) is None
    assert read_charged(group) == 0


HOLDING = """
import os, sys, time
kept = bytearray(os.urandom(1 << 20) * 24)
if os.fork() == 0:
    time.sleep(60)
print("ready", flush=True)
while True: pass
"""


@pytest.fixture
def holder() -> Iterator[int]:
    """Two processes that share 24 MiB, of which one runs."""
    process = subprocess.Popen(
        (sys.executable, "-c", HOLDING), stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process.pid
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()


def test_without_a_group_the_processes_are_added_up_and_what_they_share_counts_once(
    holder: int,
) -> None:
    pids = {holder} | descendants(holder)
    usage = read_processes(pids)
    assert usage is not None
    assert 24 * MIB < usage.memory < 44 * MIB
    assert usage.processes == 2
    assert usage.cpu_seconds > 0
    assert usage.pages_in is None
    assert read_at_most(pids) >= 48 * MIB
    assert count_running([holder]) == 1


def test_processes_that_have_ended_use_nothing() -> None:
    assert read_processes({2**22 + 1}) is None
    assert read_at_most({2**22 + 1}) == 0
    assert count_running([2**22 + 1]) == 0


@dataclass(frozen=True)
class Launched:
    init_pid: int | None


@dataclass(frozen=True)
class Container:
    cgroup: Cgroup | None
    launched: Launched


@dataclass(frozen=True)
class Living:
    container: Measured


def test_rows_name_what_each_container_uses_and_may_use(tmp_path: Path) -> None:
    container = Container(cgroup=group_v2(tmp_path), launched=Launched(init_pid=None))
    common = {"state": "up", "since": 1.5, "release": 7, "size": "standard-2x", "restarts": 3}
    shown = [
        {"name": "web.1", **common},
        {**common, "name": "web.2", "state": "crashed"},
    ]
    up, crashed = usage_rows(shown, [Living(container)])
    assert up == {
        "name": "web.1",
        "state": "up",
        "since": 1.5,
        "release": 7,
        "size": "standard-2x",
        "memory_bytes": 23 * MIB,
        "memory_limit": 1024 * MIB,
        "cpu_seconds": 1.5,
        "processes": 7,
        "process_limit": 512,
        "restarts": 3,
    }
    assert (crashed["memory_bytes"], crashed["cpu_seconds"], crashed["processes"]) == (None,) * 3


def test_a_container_without_group_and_process_has_no_usage() -> None:
    assert read_usage(Container(cgroup=None, launched=Launched(init_pid=None))) is None
