"""How one container's output comes in: the pipe, its spool, and what was lost of it."""

from __future__ import annotations

import fcntl
import os
import select

from runner.logbook.loss import Loss
from runner.logbook.spool import Spool
from runner.logs import MAX_LINE, cut

CHUNK = 64 * 1024
PIPE_SIZE = 256 * 1024


class Intake:
    """One container's way to the log."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.pipe = -1
        self.loss: Loss | None = None
        self.is_behind = False
        self._poller = select.poll()

    def watch(self, pipe: int) -> None:
        if self.pipe >= 0:
            self._poller.unregister(self.pipe)
        self.pipe = pipe
        self._poller.register(pipe, select.POLLIN)
        grow(pipe)

    def events(self) -> int:
        """What there is to do: POLLIN for bytes, anything else for the end, 0 for nothing."""
        if self.pipe < 0:
            return 0
        return sum(event for _, event in self._poller.poll(0))

    def discard(self, now: int) -> bool:
        """Count what is in the pipe as lost; False at the end."""
        events = self.events()
        if events & select.POLLIN:
            self.lose(os.read(self.pipe, CHUNK), now)
            return True
        return not events

    def lose(self, chunk: bytes, now: int) -> None:
        if chunk:
            self.loss = (self.loss or Loss(since=now)).and_also(chunk)


def whole_lines(chunk: bytes, *, to_the_end: bool) -> tuple[int, bool]:
    """How much of ``chunk`` can be logged, and whether that ends with a line that was cut."""
    end = chunk.rfind(b"\n") + 1
    if end == 0:
        end = chunk.rfind(b"\r", 0, len(chunk) if to_the_end else len(chunk) - 1) + 1
    if end:
        return end, False
    if len(chunk) > MAX_LINE:
        return len(cut(chunk)[0]), True
    return (len(chunk) if to_the_end else 0), False


def grow(pipe: int) -> None:
    """Let a container write more before it has to wait for us, where we may."""
    try:
        if fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) < PIPE_SIZE:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        return  # a user's share of pipe memory is used up: the pipe works as it is
