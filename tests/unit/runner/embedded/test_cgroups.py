"""Limits in cgroups v1, v2 and hybrid, on trees made by hand."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from buildpack.support import cgroups
from buildpack.support.cgroups import (
    Cgroup,
    Hierarchies,
    create_cgroup,
    find_hierarchies,
    limit_files,
    remove_group,
)
from runner.engines.base import Limits
from runner.engines.embedded.soft_limits import soft_limits

MIB = 1024 * 1024
LIMITS = Limits(memory=64 * MIB, cpus=0.5, pids=40)


def make_v1(root: Path, *controllers: str) -> None:
    for name in controllers:
        (root / name).mkdir()
        (root / name / "cgroup.procs").touch()


def make_v2(root: Path, controllers: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cgroup.subtree_control").write_text("")
    (root / "cgroup.procs").touch()


def test_v1_and_hybrid_are_found_by_controller(tmp_path: Path) -> None:
    make_v1(tmp_path, "memory", "pids", "cpu", "freezer")
    (tmp_path / "unified").mkdir()  # hybrid: v2 mounted beside, without the controllers
    found = find_hierarchies(tmp_path)
    assert found == Hierarchies(
        v2=None, v1={name: tmp_path / name for name in ("memory", "pids", "cpu")}
    )


def test_v1_without_a_controller_we_need_is_none(tmp_path: Path) -> None:
    make_v1(tmp_path, "memory", "cpu")
    assert find_hierarchies(tmp_path) is None


def test_hierarchy_we_may_not_write_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_v1(tmp_path, "memory", "pids", "cpu")
    forbidden = tmp_path / "memory/cgroup.procs"
    monkeypatch.setattr(os, "access", lambda path, mode: path != forbidden)
    assert find_hierarchies(tmp_path) is None


def test_v2_hands_controllers_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    make_v2(tmp_path, "cpuset cpu io memory pids")
    assert find_hierarchies(tmp_path) == Hierarchies(v2=tmp_path, v1={})
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"


def test_v2_without_controllers_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    make_v2(tmp_path, "cpuset io")
    assert find_hierarchies(tmp_path) is None


def test_v2_of_a_user_is_the_group_delegated_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    make_v2(tmp_path, "memory pids")
    make_v2(tmp_path / "user.slice/run-1.scope", "memory pids")
    found = find_hierarchies(tmp_path, own="0::/user.slice/run-1.scope\n")
    assert found == Hierarchies(v2=tmp_path / "user.slice/run-1.scope", v1={})


def test_v2_of_a_user_whose_group_refuses_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's EBUSY, "no internal processes", played by a directory."""
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    make_v2(tmp_path / "session", "memory pids")
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "session/cgroup.subtree_control").unlink()
    (tmp_path / "session/cgroup.subtree_control").mkdir()
    assert find_hierarchies(tmp_path, own="0::/session\n") is None


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that says EBUSY until our own group is there, to a user."""
    enable = cgroups._enable
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(
        cgroups, "_enable", lambda path: (path / cgroups.OWN).is_dir() and enable(path)
    )


def make_session(root: Path) -> Path:
    make_v2(root, "memory pids")
    session = root / "user/session"
    for path in (session.parent, session):
        make_v2(path, "memory pids")
    (session / "cgroup.procs").write_text("11\n12\n")
    return session


@pytest.mark.usefixtures("busy")
def test_who_is_in_a_delegated_group_makes_room_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(tmp_path)
    access = os.access
    above = session.parent / "cgroup.procs"
    monkeypatch.setattr(os, "access", lambda path, mode: path != above and access(path, mode))

    found = find_hierarchies(tmp_path, own="0::/user/session\n")

    assert found == Hierarchies(v2=session, v1={})
    assert (session / cgroups.OWN / "cgroup.procs").read_text() == "12"  # one at a time; the last
    again = find_hierarchies(tmp_path, own=f"0::/user/session/{cgroups.OWN}\n")
    assert again == found


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("mark", [b"", b"0", b"1"])
def test_a_users_group_that_systemd_keeps_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bytes
) -> None:
    session = make_session(tmp_path)

    def marked(path: Path, name: str) -> bytes:
        assert name == "user.delegate"
        if not mark:
            raise OSError(errno.ENODATA, "none")
        return mark

    monkeypatch.setattr(os, "getxattr", marked)

    found = find_hierarchies(tmp_path, own="0::/user/session\n")

    assert (found is not None) is (mark == b"1")
    assert (session / cgroups.OWN).is_dir() is (mark == b"1")


def test_limits_are_written_before_anything_runs(tmp_path: Path) -> None:
    make_v1(tmp_path, "memory", "pids", "cpu")
    hierarchies = Hierarchies(
        v2=None, v1={name: tmp_path / name for name in ("memory", "pids", "cpu")}
    )
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
