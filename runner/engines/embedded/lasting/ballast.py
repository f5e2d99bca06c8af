"""Room for what starting a container writes, kept for when the disk is full.

What a crashed container gives back would do to start it again, but on a full disk others take it
first: a line of the log is enough.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

MOST, LEAST = 64 * 1024, 4 * 1024  # bytes; a start writes two small files and some directories


class Ballast:
    """A file that only takes up room, beside a run's other files and gone with them.

    What fails here is no reason not to start a container: if there is no room, that will show.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """While this is held there is its room; then it takes as much of it as is left."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        try:
            yield
        finally:
            self._take()

    def _take(self) -> None:
        size = MOST
        with contextlib.suppress(OSError), self._path.open("wb") as file:
            while size >= LEAST and not _took(file.fileno(), size):
                size //= 2


def _took(descriptor: int, size: int) -> bool:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        return False
    return True
