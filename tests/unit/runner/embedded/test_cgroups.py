"""Limits in cgroups v1, v2 and hybrid, on trees made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.cgroups import Cgroup, create_cgroup, limit_files, remove_group
from buildpack.support.hierarchies import Hierarchies
from runner.engines.base import Limits
from runner.engines.embedded.soft_limits import soft_limits

MIB = 1024 * 1024
LIMITS = Limits(memory=64 * MIB, cpus=0.5, pids=40)


def test_limits_are_written_before_anything_runs(tmp_path: Path) -> None:
    v1 = {name: tmp_path / name for name in ("memory", "pids", "cpu")}
    for path in v1.values():
        path.mkdir()
    hierarchies = Hierarchies(v2=None, v1=v1)
    cgroup = create_cgroup(hierarchies, "embedded-1", "web.1-1", Limits(memory=1, pids=2))
    inside = "slugkit/embedded-1/web.1-1"
    assert (tmp_path / "memory" / inside / "memory.limit_in_bytes").read_text() == "1"
    assert (tmp_path / "pids" / inside / "pids.max").read_text() == "2"
    assert cgroup.entrances == tuple(
        tmp_path / name / inside / "tasks" for name in ("memory", "pids", "cpu")
    )


def test_limit_files_of_v1_count_swap_in(tmp_path: Path) -> None:
    dirs = {name: tmp_path / name for name in ("memory", "pids", "cpu")}
    dirs["memory"].mkdir()
    (dirs["memory"] / "memory.memsw.limit_in_bytes").touch()
    found = limit_files(Cgroup(dirs=dirs, is_v2=False), LIMITS)
    assert [(str(path.relative_to(tmp_path)), value) for path, value in found] == [
        ("memory/memory.limit_in_bytes", "67108864"),
        ("memory/memory.memsw.limit_in_bytes", "67108864"),
        ("pids/pids.max", "40"),
        ("cpu/cpu.cfs_period_us", "100000"),
        ("cpu/cpu.cfs_quota_us", "50000"),
    ]


def test_limit_files_of_v2(tmp_path: Path) -> None:
    dirs = dict.fromkeys(("memory", "pids", "cpu"), tmp_path)
    (tmp_path / "memory.swap.max").touch()
    found = limit_files(Cgroup(dirs=dirs, is_v2=True), LIMITS)
    assert [(path.name, value) for path, value in found] == [
        ("memory.max", "67108864"),
        ("memory.swap.max", "0"),
        ("pids.max", "40"),
        ("cpu.max", "50000 100000"),
    ]


def test_kernel_without_swap_accounting_has_no_swap_limit(tmp_path: Path) -> None:
    dirs = dict.fromkeys(("memory", "pids", "cpu"), tmp_path)
    found = limit_files(Cgroup(dirs=dirs, is_v2=True), Limits(memory=1, pids=None))
    assert [path.name for path, _ in found] == ["memory.max"]


def test_v2_group_is_entered_once_and_shown_whole(tmp_path: Path) -> None:
    cgroup = Cgroup(dirs=dict.fromkeys(("memory", "pids", "cpu"), tmp_path), is_v2=True)
    assert cgroup.entrances == (tmp_path / "cgroup.procs",)
    assert [(source, str(inside)) for source, inside in cgroup.view] == [
        (tmp_path, "/sys/fs/cgroup")
    ]


@pytest.mark.parametrize(
    ("is_v2", "name", "text", "expected"),
    [
        (False, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", True),
        (False, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", False),
        (True, "memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\n", True),
        (True, "memory.events", "low 0\nhigh 0\nmax 9\noom 0\noom_kill 0\n", False),
    ],
)
def test_oom_kill_is_read_from_the_kernels_count(
    tmp_path: Path, is_v2: bool, name: str, text: str, expected: bool
) -> None:
    (tmp_path / name).write_text(text)
    assert Cgroup(dirs={"memory": tmp_path}, is_v2=is_v2).has_oom_kill() is expected


@pytest.mark.parametrize(("text", "expected"), [("max 3\n", 3), ("max 0\n", 0)])
def test_refused_processes_are_read_from_the_kernels_count(
    tmp_path: Path, text: str, expected: int
) -> None:
    (tmp_path / "pids.events").write_text(text)
    assert Cgroup(dirs={"pids": tmp_path}, is_v2=False).refused_processes() == expected


def test_group_that_stays_busy_is_an_error_not_silence(tmp_path: Path) -> None:
    (tmp_path / "busy/process").mkdir(parents=True)
    with pytest.raises(OSError, match="not empty"):
        remove_group(tmp_path / "busy", deadline=0.0)
    remove_group(tmp_path / "missing", deadline=0.0)


NO_ACCESS = "no cgroup access (start as root, or with systemd-run --user --scope -p Delegate=yes)"


@pytest.mark.parametrize(
    ("controllers", "cpus", "expected"),
    [
        (
            None,
            None,
            f"Limits are soft here, for each process instead of each container: {NO_ACCESS}",
        ),
        (
            None,
            1.0,
            "Limits are soft here, for each process instead of each container; "
            f"the CPU limit does not hold at all: {NO_ACCESS}",
        ),
        (("memory", "pids"), None, None),
        (
            ("memory", "pids"),
            1.0,
            "The CPU limit does not hold here: the kernel offers no cpu cgroup",
        ),
        (("memory", "pids", "cpu"), 1.0, None),
    ],
)
def test_limits_that_do_not_hold_are_said(
    controllers: tuple[str, ...] | None, cpus: float | None, expected: str | None
) -> None:
    found = controllers and Hierarchies(v2=None, v1=dict.fromkeys(controllers, Path("/cg")))
    assert soft_limits(found or None, Limits(cpus=cpus)) == expected
