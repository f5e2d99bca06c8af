"""left_sockets: what runs of deleted data directories leave goes, what somebody uses stays."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.hierarchies import Hierarchies
from runner.engines.left_sockets import OLD, left_groups, left_sockets, sweep_left_sockets
from runner.engines.rundir import ROOT_LINK


@pytest.fixture
def root() -> Iterator[Path]:
    """Short enough for a socket's address."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def listening(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.fspath(path))
    server.listen()
    return server


def grow_old(root: Path) -> None:
    long_ago = time.time() - OLD - 60
    for path in root.iterdir():
        os.utime(path, (long_ago, long_ago))


def test_a_run_goes_once_nobody_listens_in_it(root: Path) -> None:
    with (
        listening(root / "embedded-11111111/slirp.sock"),
        listening(root / "embedded-22222222/router/admin.sock"),
    ):
        listening(root / "embedded-33333333/slirp.sock").close()  # as if it was killed
        (root / "embedded-33333333/router").mkdir()
        (root / "host-44444444").mkdir()
        grow_old(root)
        sweep_left_sockets(root)
        assert sorted(each.name for each in root.iterdir()) == [
            "embedded-11111111",
            "embedded-22222222",
        ]
    assert [each.name for each in left_sockets(root)] == ["embedded-11111111", "embedded-22222222"]


def test_a_run_that_has_a_data_directory_is_left_to_the_runs_there_under_any_clock(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "embedded-11111111").mkdir()
    (root / "embedded-11111111").mkdir()
    (root / "embedded-11111111" / ROOT_LINK).symlink_to(tmp_path / "embedded-11111111")
    grow_old(root)
    assert left_sockets(root) == ()
    (tmp_path / "embedded-11111111").rmdir()
    assert [each.name for each in left_sockets(root)] == ["embedded-11111111"]


def test_groups_are_left_over_once_they_are_old_and_nothing_else_is_there(
    root: Path, tmp_path: Path
) -> None:
    hierarchies = Hierarchies(v2=None, v1={name: tmp_path / name for name in ("memory", "pids")})
    assert left_groups(hierarchies, root) == frozenset()
    for name in ("embedded-11111111", "embedded-22222222", "embedded-33333333", "builds"):
        (tmp_path / "pids" / "slugkit" / name).mkdir(parents=True)
    (root / "embedded-22222222").mkdir()
    grow_old(tmp_path / "pids" / "slugkit")
    (tmp_path / "pids/slugkit/embedded-33333333/web.1-1").mkdir()  # just now
    assert left_groups(hierarchies, root) == {"embedded-11111111"}


def test_a_run_that_has_just_begun_has_no_socket_yet(root: Path) -> None:
    (root / "embedded-11111111").mkdir()
    assert left_sockets(root) == ()


def test_nothing_else_is_touched(root: Path) -> None:
    (root / "seccomp-0123abcd").touch()
    (root / "overlay-fe01").touch()
    (root / "elsewhere").mkdir()
    (root / "embedded-11111111").symlink_to("elsewhere")
    grow_old(root)
    os.utime(root / "embedded-11111111", (0, 0), follow_symlinks=False)
    assert left_sockets(root) == ()
    assert left_sockets(root / "missing") == ()
