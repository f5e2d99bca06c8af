"""Starts the chain of programs that becomes a container, and waits until its walls stand."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpack.support.command import Command, Process, spawn
from buildpack.support.errors import ExitCode, SlugkitError
from runner.engines.base import Streams
from runner.engines.embedded.starter import READY

START_TIMEOUT = 20.0


class ContainerStartError(SlugkitError):
    """The walls could not be built, so the app's command was never begun."""

    exit_code = ExitCode.UNAVAILABLE
    id = "container-start"

    def __init__(self, name: str, said: str) -> None:
        self.name, self.said = name, said
        super().__init__(
            f"The container {name} could not be started",
            details=said.strip() or "Nothing was said about why.",
            resolution="slug-run engine doctor checks what the embedded engine needs.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """bubblewrap's two processes, each with a descriptor that becomes readable when it ends."""

    monitor: Process
    monitor_fd: int
    init_pid: int
    init_fd: int | None
    """None when the container was over before it could be opened"""


class Descriptors:
    """The descriptors of one start, closed together afterwards; the children keep theirs."""

    def __init__(self, streams: Streams) -> None:
        self._open: list[int] = []
        self.ready, said = os.pipe()
        self._open += (self.ready, said)
        self.said = said
        self.info = self._keep(os.dup(said))
        self.errors = self._keep(os.memfd_create("setup"))
        # Above the standard three, which it may be one of.
        self.stderr = self._keep(fcntl.fcntl(streams.stderr, fcntl.F_DUPFD_CLOEXEC, 3))

    def content(self, name: str, content: bytes) -> int:
        """A memory file that holds ``content``, to be read from its start."""
        descriptor = self._keep(os.memfd_create(name))
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def close_writers(self) -> None:
        """After the start: end of file on ``ready`` then means the chain is gone."""
        for descriptor in (self.said, self.info):
            self._open.remove(descriptor)
            os.close(descriptor)

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()

    @property
    def passed(self) -> tuple[int, ...]:
        """What the chain inherits by number; each is closed before the app begins."""
        kept_here = (self.ready, self.errors)
        return tuple(descriptor for descriptor in self._open if descriptor not in kept_here)

    def _keep(self, descriptor: int) -> int:
        self._open.append(descriptor)
        return descriptor


def launch(
    name: str,
    argv: tuple[str, ...],
    *,
    cwd: Path,
    env: Mapping[str, str],
    streams: Streams,
    descriptors: Descriptors,
) -> Launched:
    """Run the chain; returns when the app's command is about to begin."""
    command = Command(argv=argv, cwd=cwd, env=env, pass_fds=descriptors.passed)
    monitor = spawn(command, stdin=streams.stdin, stdout=streams.stdout, stderr=descriptors.errors)
    descriptors.close_writers()
    try:
        init_pid = _await_ready(descriptors.ready)
    except BaseException:
        _end(monitor)
        raise
    if init_pid is None:
        _end(monitor)
        said = os.pread(descriptors.errors, 4096, 0).decode("utf-8", "replace")
        raise ContainerStartError(name, said)
    return Launched(
        monitor=monitor,
        monitor_fd=os.pidfd_open(monitor.pid),
        init_pid=init_pid,
        init_fd=_open_process(init_pid),
    )


def _end(monitor: Process) -> None:
    monitor.kill()
    monitor.wait()


def _open_process(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.pidfd_open(pid)
    return None


def _await_ready(descriptor: int) -> int | None:
    """The init's process id, once bubblewrap has told it and the container has said READY.

    None when the chain ends first or takes too long.
    """
    deadline = time.monotonic() + START_TIMEOUT
    said = b""
    while READY not in said or b"}" not in said:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(descriptor, 4096) if readable else b""
        if not chunk:
            return None
        said += chunk
    pid = json.loads(said.replace(READY, b""))["child-pid"]
    assert isinstance(pid, int)
    return pid
