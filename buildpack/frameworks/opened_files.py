"""Which files of a tree a program opens, whatever program, and whatever it starts: inotify(7).

The kernel tells of every open(2) of a name in a watched directory. What is asked about a file
without opening it (stat, readlink) it does not tell; nor is it asked here.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

NOT_WATCHED = frozenset({".heroku", ".git"})
"""At the top of the tree: no part of the app, or not what it is made from."""

_EVENT = struct.Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name
_OPEN, _OVERFLOW, _IS_DIR = 0x20, 0x4000, 0x4000_0000
_ONLY_DIR, _NO_FOLLOW = 0x0100_0000, 0x0200_0000
_PIECE = 64 * 1024


class OpenedFiles:
    """Entered, it watches ``root``; ``names`` are the files opened since, relative to it.

    None where they cannot be told: the kernel has no watch left for us, or lost count.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._descriptor = -1
        self._places: dict[int, str] = {}
        self._names: set[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._watch()
        except OSError:
            self._close()
        else:
            self._names = set()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    @property
    def names(self) -> frozenset[str] | None:
        """All that were opened by now."""
        for place, mask, name in self._events():
            if mask & _OVERFLOW or place not in self._places:
                self._names = None
                break
            if self._names is not None and mask & (_OPEN | _IS_DIR) == _OPEN and name:
                self._names.add(f"{self._places[place]}{name}")
        return None if self._names is None else frozenset(self._names)

    def _watch(self) -> None:
        import ctypes  # a hundredth of a second, which only a run of collectstatic needs

        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        for directory, names, _ in os.walk(self._root):
            if directory == self._root:
                names[:] = [name for name in names if name not in NOT_WATCHED]
            mask = _OPEN | _ONLY_DIR | _NO_FOLLOW
            place = library.inotify_add_watch(self._descriptor, os.fsencode(directory), mask)
            if place < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch", directory)
            self._places[place] = f"{directory}/"[len(self._root) + 1 :]

    def _events(self) -> Iterator[tuple[int, int, str]]:
        while self._descriptor >= 0:
            try:
                piece = os.read(self._descriptor, _PIECE)
            except BlockingIOError:
                return
            at = 0
            while at < len(piece):
                place, mask, _, length = _EVENT.unpack_from(piece, at)
                at += _EVENT.size + length
                yield place, mask, os.fsdecode(piece[at - length : at].rstrip(b"\0"))

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
