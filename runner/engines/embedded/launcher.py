"""Starts the chain of programs that becomes a container, and waits until its walls stand."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Callable
from typing import Protocol

from buildpack.support.command import Command, Process, spawn
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from runner.engines.base import Streams
from runner.engines.embedded.processes import descendants, only_child
from runner.engines.embedded.starter import READY
from slugc.privileges import hand_over_streams

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


class MemoryTooLowError(SlugkitError):
    """The memory limit does not even hold the programs that build the walls."""

    exit_code = ExitCode.USAGE
    id = "memory-too-low"

    def __init__(self, name: str, limit: int | None) -> None:
        self.name, self.limit = name, limit
        super().__init__(
            f"The container {name} needs more memory than it may use",
            details=f"It was killed at its limit of {limit} bytes before its command began.",
            resolution="Raise the limit: --memory 512M is the default.",
        )


class Chain(Protocol):
    """The outermost program of a container: a process we started, or one we took over."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def kill(self) -> None: ...


@value
class Launched:
    """Both ends of the chain, each with a descriptor that becomes readable when it ends.

    The init, the first process inside the container, is None when all was over before we looked.
    While ``network_fd`` is open the container's network stays, though all its processes be gone:
    it refuses connections that slirp4netns, which takes them first, would let hang for a minute.
    """

    chain: Chain
    chain_fd: int
    init_pid: int | None
    init_fd: int | None
    network_fd: int | None


class Descriptors:
    """The descriptors of one start, closed together afterwards; the children keep theirs."""

    def __init__(self, streams: Streams) -> None:
        self._open: list[int] = []
        self.ready, said = os.pipe()
        self._open += (self.ready, said)
        self.said = said
        self.errors = self._keep(os.memfd_create("setup"))
        # Above the standard three, which it may be one of.
        self.stderr = self._keep(fcntl.fcntl(streams.stderr, fcntl.F_DUPFD_CLOEXEC, 3))

    def content(self, name: str, content: bytes) -> int:
        """A memory file that holds ``content``, to be read from its start."""
        descriptor = self._keep(os.memfd_create(name))
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def keep(self, descriptor: int) -> int:
        """One more that the chain inherits; it is closed here with the others."""
        return self._keep(descriptor)

    def close_writer(self) -> None:
        """After the start: end of file on ``ready`` then means the chain is gone."""
        self._open.remove(self.said)
        os.close(self.said)

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
    command: Command,
    *,
    streams: Streams,
    descriptors: Descriptors,
    meanwhile: Callable[[], None],
) -> Launched:
    """Run the chain; returns when ``meanwhile`` has, and the app's command is about to begin."""
    hand_over_streams((streams.stdin, streams.stdout, streams.stderr))
    chain = spawn(command, stdin=streams.stdin, stdout=streams.stdout, stderr=descriptors.errors)
    descriptors.close_writer()
    try:
        meanwhile()
        is_ready = _await_ready(descriptors.ready)
    except BaseException:  # Ctrl-C too: half a container is none
        _end(chain)
        raise
    if not is_ready:
        _end(chain)
        said = os.pread(descriptors.errors, 4096, 0).decode("utf-8", "replace")
        raise ContainerStartError(name, said)
    return _open_processes(chain)


def _end(chain: Process) -> None:
    """Kill the chain and what it has forked: until bubblewrap runs nothing else would."""
    for pid in descendants(chain.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    chain.kill()
    chain.wait()


def _await_ready(descriptor: int) -> bool:
    """Whether the container says READY before the chain ends and before it takes too long."""
    poll = select.poll()  # not select(2), which knows no descriptors above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(int(START_TIMEOUT * 1000))) and os.read(descriptor, 1) == READY


def _open_processes(chain: Process) -> Launched:
    """Find the init: the child of bubblewrap's monitor, which is the child of nsenter."""
    chain_fd = os.pidfd_open(chain.pid)
    init_pid, init_fd = None, None
    with contextlib.suppress(ProcessLookupError):
        monitor = only_child(chain.pid)
        init_pid = None if monitor is None else only_child(monitor)
        init_fd = None if init_pid is None else os.pidfd_open(init_pid)
    return Launched(
        chain=chain,
        chain_fd=chain_fd,
        init_pid=init_pid,
        init_fd=init_fd,
        network_fd=open_network(init_pid),
    )


def open_network(init_pid: int | None) -> int | None:
    """What keeps the network of a container, given its init; None when that is gone."""
    try:
        return None if init_pid is None else os.open(f"/proc/{init_pid}/ns/net", os.O_RDONLY)
    except (FileNotFoundError, ProcessLookupError):
        return None
