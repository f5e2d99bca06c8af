"""Ends a phase that fills the disk, before it is full for everybody else too.

The kernel counts no directory's bytes and files. So while a phase runs, and once more after it if a
limit was asked for, the free space and the free inodes of the file system are looked at, which
costs nothing; only when they have shrunk by a limit is what the build itself has made counted,
since others write too. Where a file system knows no number of inodes (btrfs), files are counted at
every look, if a limit of them was asked for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from slugc.sandbox.limits import (
    DEFAULT_FILES,
    BuildLimits,
    LimitReachedError,
    disk_reached,
    files_reached,
)

_EVERY = 0.25  # seconds
_LEISURE = 20  # where every look counts, it is followed by so many times its own time of none
FREE_SHARE = 0.9


class Room(NamedTuple):
    """What is taken on a file system, or free: bytes, and files of any kind."""

    size: int = 0
    files: int = 0

    def with_more(self, size: int, files: int) -> Room:
        return Room(self.size + max(0, size), self.files + max(0, files))

    def without(self, other: Room) -> Room:
        return Room(self.size - other.size, self.files - other.files)


class DiskWatch:
    """Watches ``places``, all a build may write to, in a thread of its own until ``stop``.

    They lie on one file system. ``nameless`` tells what it holds there beside them.
    """

    def __init__(
        self,
        places: Sequence[Path],
        limits: BuildLimits,
        end: Callable[[], None],
        nameless: Callable[[], Room] = Room,
    ) -> None:
        self._places, self._end, self._nameless = tuple(places), end, nameless
        self._stopped = threading.Event()
        self._free = free_room(self._places[0])
        self._limit = _limit(limits, self._free)
        self._is_asked = limits.disk is not None or limits.files is not None
        self._counts_always = limits.files is not None and not self._free.files
        self._before = self._counted() if self._counts_always else Room()
        self._taken = Room()
        self._looking = threading.Lock()
        self.is_reached = False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """End the watch; whether it ended the phase."""
        self._stopped.set()
        self._thread.join()
        return self.is_reached

    def reached(self, phase: str) -> LimitReachedError | None:
        """Why ``phase`` may not go on, or what it has left is too much: it may have been short."""
        if self._is_asked:  # else it only keeps the disk from being full: now nobody writes
            self._look()
        if not self.is_reached:
            return None
        if self._taken.size > self._limit.size:
            return disk_reached(phase, self._limit.size)
        return files_reached(phase, self._limit.files)

    def _watch(self) -> None:
        pause = _EVERY
        while not self._stopped.wait(pause):
            began = time.monotonic()
            self._look()
            if self.is_reached:
                self._end()
                return
            if self._counts_always:
                pause = max(_EVERY, _LEISURE * (time.monotonic() - began))

    def _look(self) -> None:
        with self._looking:
            if self.is_reached:
                return
            before, self._free = self._free, free_room(self._places[0])
            self._taken = self._taken.with_more(
                before.size - self._free.size, before.files - self._free.files
            )
            if self._is_passed() or self._counts_always:
                self._taken = self._counted().without(self._before)
                self.is_reached = self._is_passed()

    def _is_passed(self) -> bool:
        return self._taken.size > self._limit.size or self._taken.files > self._limit.files

    def _counted(self) -> Room:
        found = self._nameless()
        for place in self._places:
            found = found.with_more(*used_room(place))
        return found


def _limit(limits: BuildLimits, free: Room) -> Room:
    """What was asked for, else most of what is free, so that the disk never is full."""
    files = min(DEFAULT_FILES, int(free.files * FREE_SHARE) or DEFAULT_FILES)
    return Room(limits.disk or int(free.size * FREE_SHARE), limits.files or files)


def free_room(path: Path) -> Room:
    """What nobody uses on the file system of ``path``."""
    found = os.statvfs(path)
    return Room(found.f_bfree * found.f_frsize, found.f_ffree)


def used_room(path: Path) -> Room:
    """What ``path`` takes on the disk; a file with several names counts once."""
    size, files, seen, todo = 0, 0, set(), [os.fspath(path)]
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
                    size += status.st_blocks * 512
                    files += 1
        except OSError:  # it goes on changing while we look
            continue
    return Room(size, files)
