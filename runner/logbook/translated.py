"""A writer whose lines are ours to put into words: what it wrote lies in its spool as it came.

The log's batch holds the translation, and its offset says up to where the spool is in it; so each
line is logged exactly once here too, whoever is killed when.
"""

from __future__ import annotations

from collections.abc import Callable

from runner.logbook.batches import MOST_PAYLOAD
from runner.logbook.spool import Spool
from runner.router_log.rules import LONGEST_LINE

ENOUGH = MOST_PAYLOAD // 2  # and at most as much again with one more line
LONGEST = LONGEST_LINE  # what is longer is cut, and will say nothing

Translate = Callable[[bytes], bytes]
"""A line without its end to lines with theirs. Called once for each line."""


class Translation:
    """What comes next of one spool."""

    def __init__(self, translate: Translate) -> None:
        self._translate = translate
        self._at, self._size, self._payload = -1, 0, b""

    def next(self, spool: Spool, *, to_the_end: bool) -> tuple[int, bytes]:
        """How much of the spool comes next, and what it means; 0 without a whole line."""
        # Asked again after a full disk refused it: a line is counted once.
        if self._at != spool.logged or not self._size:
            self._at = spool.logged
            self._size, self._payload = self._made(spool.read(LONGEST), to_the_end=to_the_end)
        return self._size, self._payload

    def _made(self, chunk: bytes, *, to_the_end: bool) -> tuple[int, bytes]:
        size, payload = 0, b""
        while size < len(chunk) and len(payload) < ENOUGH:
            end = chunk.find(b"\n", size) + 1
            if not end:
                if size or not (to_the_end or len(chunk) == LONGEST):
                    break
                end = len(chunk)
            payload += self._translate(chunk[size:end].rstrip(b"\r\n"))[-ENOUGH:]
            size = end
        return size, payload
