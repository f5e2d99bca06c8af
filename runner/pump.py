"""One direction of bytes between two descriptors, with a small buffer and no waiting."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

CHUNK = 64 * 1024
WAIT_MS = 100
PIECE = 4096  # PIPE_BUF: what a pipe that poll() calls writable takes without blocking


def _nothing() -> None:
    """The default for both ends: they are somebody else's to close."""


class Pump:
    """Copies from ``source`` to ``target``: reads only when all it read before is written.

    ``close`` is called once, when the bytes have ended or nobody takes them any more. Closing
    our end of a pipe there tells the other side: end of input, or SIGPIPE.
    """

    def __init__(self, source: int, target: int, *, close: Callable[[], None] = _nothing) -> None:
        self.source, self.target = source, target
        self._close = close
        self._buffer = b""
        self.done = False

    def wants(self) -> tuple[int, int] | None:
        """The descriptor and the poll event it waits for; None when it is done."""
        if self.done:
            return None
        if self._buffer:
            return self.target, select.POLLOUT
        return self.source, select.POLLIN

    def step(self) -> bytes:
        """Do what was waited for; gives the bytes that were read."""
        if self._buffer:
            self._write()
            return b""
        chunk = self._read()
        if chunk is None:
            return b""
        self._buffer = chunk
        if not chunk:
            self.finish()
        return chunk

    def drain(self, *, interrupted: Callable[[], bool]) -> None:
        """Pass on what is left in the source, for whom nobody writes to any more.

        Once ``interrupted``, a reader who does not read is not waited for.
        """
        while not self.done:
            if self._buffer:
                if not _wait_writable(self.target, interrupted):
                    return
            elif not _is_readable(self.source):
                return
            self.step()

    def finish(self) -> None:
        """No more bytes in this direction."""
        if not self.done:
            self.done = True
            self._close()

    def _read(self) -> bytes | None:
        """Bytes; none at the end; None when there are none just now."""
        try:
            return os.read(self.source, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            # EIO: the last program on a pseudo-terminal has gone, or our own terminal has.
            return b""

    def _write(self) -> None:
        try:
            written = os.write(self.target, self._buffer[:PIECE])
        except BlockingIOError:
            return
        except OSError as err:
            from buildpack.support.streams import has_no_reader  # rare

            if not has_no_reader(self.target, err):
                raise
            self._buffer = b""
            self.finish()
            return
        self._buffer = self._buffer[written:]


def _is_readable(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


def _wait_writable(descriptor: int, interrupted: Callable[[], bool]) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    while not poller.poll(WAIT_MS):
        if interrupted():
            return False
    return True
