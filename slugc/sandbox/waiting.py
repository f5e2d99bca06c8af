"""A sandbox that stands ready before it is known what is to run in it.

Putting up the walls takes longer than many a phase, and a build mostly waits for one program. So
the next phase's sandbox is put up meanwhile. In it a shell waits at a pipe that we alone hold: it
is told directory, environment and program, and becomes that program. If nobody tells it anything,
because we are gone, it reads the end of the pipe and ends too.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import time
from collections.abc import Callable

from buildpack.support import command
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError
from buildpack.support.values import changed
from slugc.sandbox.base import SandboxCommand, start_phase

SHELL = ("/bin/sh",)
_GREETING = b"echo\n"  # an empty line from inside says that all the walls are up
_PATIENCE = 30.0  # seconds; it takes milliseconds on a machine that does nothing else


class WaitingSandbox:
    """One started sandbox, good for one phase. ``walls`` start SHELL in it."""

    def __init__(self, walls: Command) -> None:
        self._walls = self._ordered = changed(walls, stdin=b"", timeout=_PATIENCE)
        self._is_up = False
        self._process = start_phase(self._walls)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: why is told by ``require``
            os.write(self._process.stdin.fileno(), _GREETING)

    def require(self) -> None:
        """Wait until it stands. Raises what kept it from that."""
        if self._is_up:
            return
        assert self._process.stdout is not None
        answer = _first_byte(self._process.stdout.fileno(), _PATIENCE)
        if answer is None:
            self.end()
            raise CommandTimeoutError(self._walls)
        if answer != b"\n":
            said = command.capture(self._walls, started=self._process)
            raise CommandFailedError(self._walls, 0, (said,))
        self._is_up = True

    def order(self, phase: SandboxCommand, *, joined: bool, prefix: tuple[str, ...] = ()) -> None:
        """Tell it what to run, behind ``prefix``; ``joined`` has errors among the output, in the
        order they come."""
        assert self._process.stdin is not None
        self._ordered = changed(
            self._walls, env=phase.env, timeout=phase.timeout, title=phase.title
        )
        orders = os.fsencode(orders_for(phase, prefix) + (" 2>&1\n" if joined else "\n"))
        with contextlib.suppress(BrokenPipeError):  # as above; its exit code tells
            while orders:
                orders = orders[os.write(self._process.stdin.fileno(), orders) :]

    def stream(self, on_line: Callable[[str], None]) -> None:
        """Run what was ordered, as ``command.stream`` does."""
        command.stream(self._ordered, on_line, started=self._process)

    def capture(self, on_error_line: Callable[[str], None]) -> str:
        """Run what was ordered, as ``command.capture`` does."""
        return command.capture(self._ordered, on_error_line=on_error_line, started=self._process)

    def kill(self) -> None:
        """End what runs in it; from any thread. Whoever waits for it learns how it ended."""
        self._process.kill()

    @property
    def pid(self) -> int:
        """Of its first process, on this machine; all others descend from it."""
        return self._process.pid

    @property
    def stands(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Take it down, if it still stands."""
        command.end(self._process)


def orders_for(phase: SandboxCommand, prefix: tuple[str, ...] = ()) -> str:
    """What the shell reads. Values are in a pipe and not on a command line, which others see."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(phase.env.items())]
    return "\n".join(
        (
            f"cd {shlex.quote(str(phase.cwd))} || exit 1",
            "unset OLDPWD SHLVL",  # what shells add of their own
            *exports,
            f"exec {shlex.join((*prefix, *phase.argv))} </dev/null",
        )
    )


def _first_byte(descriptor: int, patience: float) -> bytes | None:
    """What comes first, empty at the end of the pipe; None when nothing does."""
    deadline = time.monotonic() + patience
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poller.poll(left * 1000):
            return os.read(descriptor, 1)
    return None
