"""Reading what programs print: in bounded memory, and no longer than they live."""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable, Mapping

CHUNK = 64 * 1024
MAX_LINE = 64 * 1024  # a program that never ends its line must not fill our memory
LOOK_MS = 100  # how often to look whether the program lives, should its output stay open
MAX_REST = 1024 * 1024  # the largest pipe Linux gives without privilege
PIECE = 4096  # PIPE_BUF: what a pipe that poll() calls writable takes without blocking


class LineCutter:
    """Cuts bytes into lines; one that is too long is handed over in pieces.

    Of what comes after ``most`` bytes only the last lines are handed over, at the end: who prints
    a gigabyte is read as fast as he writes, and is not listened to.
    """

    def __init__(self, on_line: Callable[[str], None], *, most: float = math.inf) -> None:
        self._on_line = on_line
        self._rest = b""
        self._left = most

    def feed(self, chunk: bytes) -> None:
        """Take more bytes, and hand over every line they complete."""
        self._left -= len(chunk)
        if self._left < 0:
            self._rest = (self._rest + chunk)[-MAX_LINE:]
            return
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._hand_over(self._without_pieces(line))
        self._rest = self._without_pieces(rest)

    def finish(self) -> None:
        """Hand over what came without a line end."""
        for line in self._rest.removesuffix(b"\n").split(b"\n"):
            if line or self._left < 0:
                self._hand_over(line)
        self._rest = b""

    def _without_pieces(self, line: bytes) -> bytes:
        while len(line) > MAX_LINE:
            self._hand_over(line[:MAX_LINE])
            line = line[MAX_LINE:]
        return line

    def _hand_over(self, line: bytes) -> None:
        self._on_line(line.decode("utf-8", "replace").rstrip("\r"))


def read_streams(
    takers: Mapping[int, Callable[[bytes], None]],
    *,
    has_ended: Callable[[], bool],
    timeout: float | None,
    feed: tuple[int, bytes] | None = None,
) -> bool:
    """Hand over what arrives until every stream ends; False when the time is up before.

    A stream may never end because the program left a child behind that holds it. So once the
    program itself has ended, what lies in the pipes is read and no more is waited for. ``feed``
    is what to write meanwhile, and where; its descriptor is closed when all is written.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    open_streams = set(takers)
    rest = MAX_REST
    try:
        while open_streams and rest > 0:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            ended = has_ended()
            ready = _wait(open_streams, feed, deadline, 0 if ended else LOOK_MS)
            if ended and not ready & open_streams:
                break
            if feed is not None and feed[0] in ready:
                feed = _write(feed)
            for descriptor in open_streams & ready:
                chunk = os.read(descriptor, CHUNK)
                rest -= len(chunk) if ended else 0
                if chunk:
                    takers[descriptor](chunk)
                else:
                    open_streams.discard(descriptor)
    finally:
        if feed is not None:
            os.close(feed[0])
    return True


def _wait(
    streams: set[int], feed: tuple[int, bytes] | None, deadline: float | None, patience: int
) -> set[int]:
    poller = select.poll()
    for descriptor in streams:
        poller.register(descriptor, select.POLLIN)
    if feed is not None:
        poller.register(feed[0], select.POLLOUT)
    left = patience if deadline is None else int((deadline - time.monotonic()) * 1000)
    return {descriptor for descriptor, _ in poller.poll(max(0, min(patience, left)))}


def _write(feed: tuple[int, bytes]) -> tuple[int, bytes] | None:
    descriptor, data = feed
    try:
        data = data[os.write(descriptor, data[:PIECE]) :]
    except BrokenPipeError:
        data = b""  # it does not want to hear the rest, as with a shell's pipe
    if data:
        return descriptor, data
    os.close(descriptor)
    return None
