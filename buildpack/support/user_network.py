"""slirp4netns, the way out of a network namespace that needs no privilege, and how it is started.

It turns what leaves a namespace into ordinary sockets of an unprivileged process, so the outside is
reached and this machine's loopback is not.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.addresses import Subnet
from buildpack.support.command import Command, Process, spawn
from buildpack.support.errors import SlugkitError
from buildpack.support.values import value

MTU = 65520  # the largest slirp4netns takes: fewer packets for the same bytes
START_TIMEOUT = 10.0

Failed = Callable[[str, str], SlugkitError]
"""The error for a step that did not work, and what was said about it."""


@value
class WayOut:
    """What slirp4netns is to serve."""

    subnet: Subnet
    holder: int
    """a process in the namespaces"""
    socket: Path | None = None
    """where it takes requests; without, it has one network to serve and sets that up itself"""


class Starting:
    """A program that was started and writes one byte to ``ready_fd`` when it is ready.

    Not frozen: once it is ready, both descriptors are closed and nothing is waited for again.
    """

    def __init__(
        self, *, step: str, process: Process, ready_fd: int, errors_fd: int, failed: Failed
    ) -> None:
        self.step, self.process = step, process
        self.ready_fd, self.errors_fd = ready_fd, errors_fd
        self.is_open = True
        self._failed = failed

    def wait(self) -> None:
        """Return when it is ready. Raises what ``failed`` makes of what the program said, and
        OSError where it was refused a process."""
        if not self.is_open:
            return
        is_ready = self.has_spoken()
        said = os.pread(self.errors_fd, 4096, 0).decode("utf-8", "replace")
        self._close()
        if not is_ready:
            self.end()
            from buildpack.support.machine import refused_process  # rare

            raise refused_process(said) or self._failed(self.step, said)

    def has_spoken(self) -> bool:
        """Wait for its next byte; False when it ends without, or takes too long."""
        readable, _, _ = select.select([self.ready_fd], [], [], START_TIMEOUT)
        return bool(readable) and os.read(self.ready_fd, 1) != b""

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        if self.is_open:
            self.is_open = False
            os.close(self.ready_fd)
            os.close(self.errors_fd)


def start_holder(
    step: str, argv: tuple[str, ...], *, lifeline: int, env: Mapping[str, str], failed: Failed
) -> Starting:
    """Start a program that says on its output when it is ready, and lives as long as its input."""
    said, errors = os.pipe(), os.memfd_create("holder")
    try:
        command = Command(argv=argv, cwd=Path("/"), env=env)
        process = spawn(command, stdin=lifeline, stdout=said[1], stderr=errors)
    except BaseException:  # Ctrl-C too: nobody else knows what is open
        os.close(said[0])
        os.close(errors)
        raise
    finally:
        os.close(said[1])
    return Starting(step=step, process=process, ready_fd=said[0], errors_fd=errors, failed=failed)


def start_slirp(
    prefix: tuple[str, ...],
    way: WayOut,
    *,
    lifeline: int,
    env: Mapping[str, str],
    failed: Failed,
) -> Starting:
    """Start slirp4netns for ``way``; it ends with the lifeline."""
    said, errors = os.pipe(), os.memfd_create("slirp")
    argv = (*prefix, *slirp_argv(way, lifeline, said[1]))
    try:
        command = Command(argv=argv, cwd=Path("/"), env=env, pass_fds=(lifeline, said[1]))
        process = spawn(command, stderr=errors)
    except BaseException:  # Ctrl-C too: nobody else knows what is open
        os.close(said[0])
        os.close(errors)
        raise
    finally:
        os.close(said[1])
    return Starting(
        step="slirp4netns", process=process, ready_fd=said[0], errors_fd=errors, failed=failed
    )


def slirp_argv(way: WayOut, exit_fd: int, ready_fd: int) -> tuple[str, ...]:
    return (
        "slirp4netns",
        f"--mtu={MTU}",
        f"--cidr={way.subnet.cidr}",
        "--disable-host-loopback",
        # Should its packet parser be taken over, it finds neither files nor most system calls.
        "--enable-sandbox",
        "--enable-seccomp",
        f"--exit-fd={exit_fd}",
        f"--ready-fd={ready_fd}",
        "--configure" if way.socket is None else f"--api-socket={way.socket}",
        # By process id: --enable-sandbox fails with paths (slirp4netns issue 317).
        str(way.holder),
        "tap0",
    )
