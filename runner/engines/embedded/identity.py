"""Processes found again: a number and a start time name one process for as long as a boot lasts."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from pathlib import Path

from buildpack.support.values import value
from runner.engines.embedded.launcher import Chain

LOST = 137
"""The exit code of a container that ended without anybody writing down how: it was killed."""


@value
class ProcessId:
    """A process, even after its number was given to another."""

    pid: int
    started: int
    """in clock ticks since boot, as /proc has it"""


def process_id(pid: int, proc: Path = Path("/proc")) -> ProcessId:
    """Who has the number now. Raises ProcessLookupError when nobody has."""
    try:
        stat = (proc / str(pid) / "stat").read_bytes()
    except FileNotFoundError as err:
        raise ProcessLookupError(pid) from err
    # The name stands in parentheses and may hold spaces and parentheses itself.
    return ProcessId(pid=pid, started=int(stat.rpartition(b")")[2].split()[19]))


def open_process(wanted: ProcessId) -> int | None:
    """A pidfd of the process; None when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(wanted.pid)
        # In this order: what the descriptor means cannot change any more.
        with contextlib.suppress(ProcessLookupError):
            if process_id(wanted.pid) == wanted:
                return descriptor
        os.close(descriptor)
    return None


def has_ended(pidfd: int, timeout: float = 0.0) -> bool:
    """Whether the process has ended, or does within ``timeout`` seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(int(timeout * 1000)))


class LastingChain:
    """The outermost program of a container that may be another process's child, or nobody's.

    How it ended is what bubblewrap wrote down (--json-status-fd).
    """

    def __init__(
        self, pid: int, pidfd: int | None, status_file: Path, *, process: Chain | None = None
    ) -> None:
        self._pid = pid
        self._pidfd = pidfd
        """the container's to close; None when it was gone before we came"""
        self._status_file = status_file
        self._process = process
        self._code: int | None = None

    @property
    def pid(self) -> int:
        return self._pid

    def poll(self) -> int | None:
        if self._code is None and (self._pidfd is None or has_ended(self._pidfd)):
            if self._process is not None:
                code = self._process.wait()  # it has ended: this only clears it away
                self._code = code if code >= 0 else 128 - code
            else:
                self._code = read_exit_code(self._status_file)
        return self._code

    def wait(self) -> int:
        while (code := self.poll()) is None:
            assert self._pidfd is not None
            has_ended(self._pidfd, 60.0)
        return code

    def kill(self) -> None:
        if self._pidfd is not None and self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


def read_exit_code(status_file: Path) -> int:
    """What bubblewrap wrote: a JSON document when it starts, another when it ends."""
    try:
        lines = status_file.read_text().splitlines()
    except FileNotFoundError:
        return LOST
    for line in reversed(lines):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and isinstance(found.get("exit-code"), int):
                return int(found["exit-code"])
    return LOST
