"""What one container wrote and is not yet in the log: files, never memory alone.

``spool/web.1~KEY~1f2e3d4c/`` holds files named after the offset of their first byte in all that
the container wrote. Bytes are added to the newest one; when all of an older one is in the log, it
goes. The directory is locked by the process that fills it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path
from typing import Self

from buildpack.support.deletion import remove_tree
from buildpack.support.errors import UsageError, printable

ROTATE = 4 * 1024 * 1024
MOST = 8 * 1024 * 1024  # while the log has no room
TAKE = 1024 * 1024  # the largest pipe Linux gives without privilege
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,110}")
_NO_SPLICE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


class SpoolError(UsageError):
    """A container's key or name cannot stand in a file name."""

    id = "spool"

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(f"'{printable(word)}' cannot be the key or the name of a container")


class Spool:
    """The spool of one container. ``logged`` is how far it is in the log, ``end`` what there is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tag = directory.name
        self.name, self.key, _ = self.tag.split("~")
        self.logged = self.end = 0
        self.fallen = b""
        """Read from the pipe and lost because it could not be written: only without splice."""
        self._lock = -1
        self._files: dict[int, int] = {}
        self._can_splice = True

    @classmethod
    def create(cls, root: Path, *, key: str, name: str) -> Self:
        """A spool for a container; its directory is made when the container writes something."""
        for word in (key, name):
            if not _WORD.fullmatch(word):
                raise SpoolError(word)
        return cls(root / f"{name}~{key}~{os.urandom(4).hex()}")

    @classmethod
    def take_over(cls, directory: Path) -> Self | None:
        """The spool a killed process left; None if a living one holds it, or has removed it."""
        spool = cls(directory)
        try:
            spool._hold()
            spool._open_files()
        except (BlockingIOError, FileNotFoundError):
            spool.close()
            return None
        return spool

    @property
    def rest(self) -> int:
        """How many bytes are not in the log yet."""
        return self.end - self.logged

    @property
    def is_full(self) -> bool:
        return self.rest >= MOST

    def start_at(self, logged: int | None) -> None:
        """Go on where the log stops; from the first byte there is if it does not say."""
        self.logged = min(max(min(self._files, default=0), logged or 0), self.end)
        self._remove_logged()

    def take(self, pipe: int) -> int:
        """Move what is in the pipe to the spool; how much it was. There must be something."""
        file = self._newest()
        moved = self._splice(pipe, file) if self._can_splice else self._copy(pipe, file)
        self.end += moved
        return moved

    def read(self, size: int) -> bytes:
        """The next bytes that are not in the log yet."""
        found, at = b"", self.logged
        for base in sorted(self._files):
            if base <= at:
                piece = os.pread(self._files[base], size - len(found), at - base)
                found, at = found + piece, at + len(piece)
        return found

    def was_logged(self, size: int) -> None:
        """The next ``size`` bytes are in the log now."""
        self.logged += size
        self._remove_logged()

    def remove(self) -> None:
        """All of it is in the log, or was counted as lost."""
        remove_tree(self.directory)
        self.close()

    def close(self) -> None:
        for file in (*self._files.values(), *([self._lock] if self._lock >= 0 else [])):
            os.close(file)
        self._files.clear()
        self._lock = -1

    def _hold(self) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(self.directory, flags)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _open_files(self) -> None:
        for path in sorted(self.directory.iterdir()):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            self._files[int(path.name)] = file
            self.end = int(path.name) + os.fstat(file).st_size

    def _splice(self, pipe: int, file: int) -> int:
        try:
            return os.splice(pipe, file, TAKE, offset_dst=self.end - max(self._files))
        except OSError as err:
            if err.errno not in _NO_SPLICE:
                raise
        self._can_splice = False
        return self._copy(pipe, file)

    def _copy(self, pipe: int, file: int) -> int:
        """For file systems without splice(2): a kill between the two calls loses what was read."""
        self.fallen = b""
        chunk = os.read(pipe, 65536)
        start = self.end - max(self._files)
        try:
            done = 0
            while done < len(chunk):
                done += os.pwrite(file, chunk[done:], start + done)
        except OSError:
            self.fallen = chunk
            os.ftruncate(file, start)
            raise
        return len(chunk)

    def _newest(self) -> int:
        newest = max(self._files, default=-1)
        if newest >= 0 and (self.end - newest < ROTATE or newest > self.logged):
            return self._files[newest]
        if self._lock < 0:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            self._hold()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._files[self.end] = os.open(self.directory / f"{self.end:020d}", flags, 0o600)
        self._remove_logged()
        return self._files[self.end]

    def _remove_logged(self) -> None:
        while len(self._files) > 1 and self.logged >= sorted(self._files)[1]:
            oldest = min(self._files)
            os.close(self._files.pop(oldest))
            (self.directory / f"{oldest:020d}").unlink(missing_ok=True)
