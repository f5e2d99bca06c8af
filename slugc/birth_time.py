"""When a file was made: statx(2), which Python's os module does not offer before 3.15."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from slugc.archive.directories import DirectoryStack
from slugc.archive.judge import TreePath

_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BTIME = 0x800
_SIZE = 256  # struct statx, the same on every architecture
_BIRTH_OFFSET = 80  # stx_btime: seconds, nanoseconds; linux/stat.h


class BirthTimes:
    """Birth times of files below one root, asked for in sorted order."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directories: DirectoryStack | None = None
        self._statx: ctypes._NamedFuncPointer | None = None
        self._buffer = ctypes.create_string_buffer(_SIZE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._directories is not None:
            self._directories.__exit__(kind, error, trace)

    def of(self, path: TreePath) -> int | None:
        """Nanoseconds since the epoch; None where the file system or C library does not say."""
        if self._directories is None:
            self._directories = DirectoryStack(self._root)
            self._statx = getattr(ctypes.CDLL(None), "statx", None)  # glibc 2.28, musl 1.2.2
        if self._statx is None:
            return None
        parent = self._directories.enter(path[:-1])
        failed = self._statx(parent, path[-1], _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, self._buffer)
        (mask,) = struct.unpack_from("=I", self._buffer)
        if failed or not mask & _STATX_BTIME:
            return None
        seconds, nanoseconds = struct.unpack_from("=qI", self._buffer, _BIRTH_OFFSET)
        return int(seconds * 1_000_000_000 + nanoseconds)
