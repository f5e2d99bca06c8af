"""Where control groups may be made, on trees made by hand: cgroups v1, v2 and hybrid."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from buildpack.support import hierarchies
from buildpack.support.hierarchies import OWN, Hierarchies, find_hierarchies


def make_v1(root: Path, *controllers: str) -> None:
    for name in controllers:
        (root / name).mkdir()
        (root / name / "cgroup.procs").touch()


def make_v2(root: Path, controllers: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cgroup.subtree_control").write_text("")
    (root / "cgroup.procs").touch()


def in_group(root: Path, text: str) -> Path:
    """What /proc/self/cgroup says of us."""
    own = root / "own"
    own.write_text(text)
    return own


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
    found = find_hierarchies(tmp_path, in_group(tmp_path, "0::/user.slice/run-1.scope\n"))
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
    assert find_hierarchies(tmp_path, in_group(tmp_path, "0::/session\n")) is None


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that says EBUSY until our own group is there, to a user."""
    enable = hierarchies.hand_down
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(
        hierarchies, "hand_down", lambda path: (path / OWN).is_dir() and enable(path)
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

    found = find_hierarchies(tmp_path, in_group(tmp_path, "0::/user/session\n"))

    assert found == Hierarchies(v2=session, v1={})
    assert (session / OWN / "cgroup.procs").read_text() == "12"  # one at a time; the last
    again = find_hierarchies(tmp_path, in_group(tmp_path, f"0::/user/session/{OWN}\n"))
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

    found = find_hierarchies(tmp_path, in_group(tmp_path, "0::/user/session\n"))

    assert (found is not None) is (mark == b"1")
    assert (session / OWN).is_dir() is (mark == b"1")
