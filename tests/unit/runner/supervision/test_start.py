"""start: one keeper for each app, whoever looks meanwhile."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from runner.supervision import start
from runner.supervision.client import is_supervised
from tests.waiting import PATIENCE


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The apps whose keeper was started."""
    found: list[int] = []
    monkeypatch.setattr(start, "_start", lambda number, *_: found.append(number))
    return found


def test_who_only_looks_does_not_keep_a_keeper_from_starting(
    tmp_path: Path, started: list[int]
) -> None:
    looking = start.open_lock(tmp_path)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert not is_supervised(tmp_path), "two who look do not take each other for a keeper"
    threading.Timer(0.05, os.close, [looking]).start()
    assert start.start_keeper(7, tmp_path, {})
    assert started == [7]


def test_a_second_keeper_is_not_started(tmp_path: Path, started: list[int]) -> None:
    keeper = start.open_lock(tmp_path)
    fcntl.flock(keeper, fcntl.LOCK_EX)
    began = time.monotonic()
    assert not start.start_keeper(7, tmp_path, {})
    assert time.monotonic() - began < PATIENCE
    assert (started, is_supervised(tmp_path)) == ([], True)
    os.close(keeper)


def test_what_a_supervisor_gets_of_the_environment() -> None:
    env = {"PATH": "/bin", "HOME": "/home/me", "SECRET": "x", "LANG": "C.UTF-8"}
    found = start.supervisor_env(env)
    assert set(found) == {"PATH", "HOME", "LANG", "PYTHONPATH"}


def test_errors_that_fill_a_file_are_forgotten_and_those_in_a_pipe_let_alone(
    tmp_path: Path,
) -> None:
    kept, full = tmp_path / "kept", tmp_path / "full"
    kept.write_bytes(b"x" * 1024 * 1024)
    full.write_bytes(b"x" * (1024 * 1024 + 1))
    for path, size in ((kept, 1024 * 1024), (full, 0)):
        with path.open("ab") as file:
            start.bound_errors(file.fileno())
        assert path.stat().st_size == size
    reader, writer = os.pipe()
    start.bound_errors(writer)
    os.close(reader)
    os.close(writer)
