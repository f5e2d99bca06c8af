"""Ends a phase that fills the disk, before it is full for everybody else too.

The kernel counts no directory's bytes. So while a phase runs the free space of the file system is
looked at, which costs nothing; only when it has shrunk by the limit are the build's own
files counted, since others write too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

_EVERY = 0.25  # seconds
FREE_SHARE = 0.9


class DiskWatch:
    """Watches ``places``, all a build may write to, in a thread of its own until ``stop``.

    They lie on one file system. ``nameless`` tells how many bytes it holds there beside them.
    """

    def __init__(
        self,
        places: Sequence[Path],
        limit: int,
        end: Callable[[], None],
        nameless: Callable[[], int] = int,
    ) -> None:
        self._places, self._limit, self._end = tuple(places), limit, end
        self._nameless = nameless
        self._stopped = threading.Event()
        self.is_reached = False
        self._free = free_space(self._places[0])
        self._written = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """End the watch; whether it ended the phase."""
        self._stopped.set()
        self._thread.join()
        return self.is_reached

    def _watch(self) -> None:
        while not self._stopped.wait(_EVERY):
            free = free_space(self._places[0])
            self._written += max(0, self._free - free)
            self._free = free
            if self._written >= self._limit:
                self._written = sum(map(used_space, self._places)) + self._nameless()
                if self._written > self._limit:
                    self.is_reached = True
                    self._end()
                    return


def default_limit(path: Path) -> int:
    """What a build may write where nobody said: most of what is free, so that it never is full."""
    return int(free_space(path) * FREE_SHARE)


def free_space(path: Path) -> int:
    """Bytes nobody uses on the file system of ``path``."""
    found = os.statvfs(path)
    return found.f_bfree * found.f_frsize


def used_space(path: Path) -> int:
    """Bytes that ``path`` takes on the disk; a file with several names counts once."""
    total, seen, todo = 0, set(), [os.fspath(path)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif status.st_nlink > 1:
                        if (status.st_dev, status.st_ino) in seen:
                            continue
                        seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
        except OSError:  # it goes on changing while we look
            continue
    return total
