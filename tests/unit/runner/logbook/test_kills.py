"""The writer of a log is killed at each of its system calls in turn: before, after, half done."""

from __future__ import annotations

import fcntl
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.logbook import app_log, intake, spool
from runner.logbook.app_log import AppLog
from runner.logbook.store import Bounds
from tests.unit.runner.logbook.containers import texts

BOUNDS = Bounds(files=1000, file_size=300)  # a new file for nearly every batch
FIRST = [f"line {number} {'x' * (number * 7 % 40)}" for number in range(14)]
SECOND = [f"and {number}" for number in range(6)]
CALLS = (
    "splice", "read", "pread", "pwrite", "ftruncate",
    "open", "rename", "unlink", "rmdir", "mkdir",
)  # fmt: skip


class Killer:
    """Stands before system calls, and ends this process at the ``countdown``-th moment."""

    def __init__(self, countdown: int) -> None:
        self.countdown = countdown

    def moment(self) -> None:
        self.countdown -= 1
        if self.countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*words: Any, **options: Any) -> Any:
            self.moment()
            result = call(*words, **options)
            self.moment()
            return result

        return called

    def write(self, call: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
        """A kill in the middle of a write leaves a part of it."""

        def called(descriptor: int, data: bytes) -> int:
            self.moment()
            if self.countdown == 1:
                call(descriptor, data[: len(data) // 2])
            self.moment()
            done = call(descriptor, data)
            self.moment()
            return done

        return called

    def stand_before(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(os, "write", self.write(os.write))
        for name in CALLS:
            patch.setattr(os, name, self.around(getattr(os, name)))
        patch.setattr(fcntl, "flock", self.around(fcntl.flock))


def supervise(directory: Path, pipes: dict[str, int], *, until_end: bool) -> None:
    """Adopt what is there and log what the pipes hold; the rest of it too if they have ended."""
    log = AppLog(directory, bounds=BOUNDS)
    log.recover()
    for key, pipe in pipes.items():
        log.open_container(key, "web.1", pipe)
        poller = select.poll()
        poller.register(pipe, select.POLLIN)
        while poller.poll(0) and log.attend(key):
            pass
        if until_end:
            log.close_container(key)
    log.close()


def killed_at(moment: int, directory: Path, pipes: dict[str, int], *, until_end: bool) -> bool:
    """Whether the kill came; not if ``moment`` is after the last one."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with pytest.MonkeyPatch.context() as patch:
                Killer(moment).stand_before(patch)
                supervise(directory, pipes, until_end=until_end)
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert status in {0, signal.SIGKILL}
    return status == signal.SIGKILL


@pytest.mark.parametrize("until_end", [False, True], ids=["as it runs", "as it ends"])
def test_a_kill_at_any_system_call_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, until_end: bool
) -> None:
    monkeypatch.setattr(spool, "ROTATE", 200)
    monkeypatch.setattr(spool, "TAKE", 250)
    monkeypatch.setattr(app_log, "CHUNK", 160)
    monkeypatch.setattr(intake, "grow", lambda pipe: None)
    moment, killed = 0, True
    while killed:
        moment += 1
        directory = tmp_path / str(moment)
        reader, writer = os.pipe()
        os.write(writer, "\n".join(FIRST).encode())
        if until_end:
            os.write(writer, "\n".join(["", *SECOND]).encode())
            os.close(writer)
        killed = killed_at(moment, directory, {"k": reader}, until_end=until_end)
        if not until_end:
            os.write(writer, "\n".join(["", *SECOND]).encode())
            os.close(writer)
        supervise(directory, {"k": reader}, until_end=True)
        os.close(reader)
        assert texts(directory) == [*FIRST, *SECOND], f"moment {moment}"
        assert list((directory / "spool").iterdir()) == []
    assert moment > 60
