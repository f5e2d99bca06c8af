"""The log files of an app: ``00000001.log`` and so on, of which the newest is written.

Several processes may append (a supervisor, a deploy): each batch under a lock of the kernel, to
the end of the newest file. Numbers only grow and no file is ever written again once there is a
newer one, so a reader that is at the end of a file and sees a newer one has seen all of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from buildpack.support.values import value
from runner.logbook.batches import (
    FIRST_SIZE,
    FOOTER_SIZE,
    Batch,
    Source,
    batches,
    encode,
    encode_offsets,
    first_line,
    footer_size,
    moment,
    offsets_in,
    token_of,
)

SPOOLS = "spool"
NO_NAME = "-"
PATIENCE, PAUSE = 0.5, 0.0002  # seconds
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


@value
class Bounds:
    """How much log an app keeps."""

    files: int = 10
    file_size: int = 10 * 1024 * 1024


def log_numbers(directory: Path) -> list[int]:
    """The numbers of the log files, oldest first."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(name[:-4]) for name in names if name.endswith(".log") and name[:-4].isdigit())


def log_path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}.log"


class LogStore:
    """Appends to the log of one app. Raises OSError, and then nothing was appended."""

    def __init__(
        self, directory: Path, *, bounds: Bounds, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory, self._bounds, self._clock = directory, bounds, clock
        for each in (directory, directory / SPOOLS):
            each.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(directory / "lock", flags, 0o600)
        self._number, self._file, self._size, self._token = 0, -1, 0, b""
        self._next = ""
        self._reached: dict[str, int] = {}

    def close(self) -> None:
        os.close(self._lock)
        self._close_file()

    def append(self, batch: Batch) -> None:
        """Put ``batch`` at the end of the log, whole or not at all."""
        self._wait_for_lock()
        try:
            self._stand_at_end()
            self._make_place()
            self._write(encode(batch, self._token))
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        if batch.offset:
            self._reached[batch.tag] = batch.offset

    def offset(self, tag: str) -> int | None:
        """How far the spool ``tag`` is in the log; None if the log does not say."""
        if tag not in self._reached:
            self._wait_for_lock()
            try:
                self._stand_at_end()
                self._reached = {**self._offsets_written(), **self._reached}
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
        return self._reached.get(tag)

    def forget(self, tag: str) -> None:
        """The spool is gone: nobody will ask again."""
        self._reached.pop(tag, None)

    def _wait_for_lock(self) -> None:
        """Others hold it for microseconds; one that was stopped (Ctrl-Z) must not hold up all."""
        deadline = 0.0
        while True:
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                now = time.monotonic()
                deadline = deadline or now + PATIENCE
                if now > deadline:
                    raise
                time.sleep(PAUSE)

    # The end of the log

    def _stand_at_end(self) -> None:
        """Open the newest file if it is another by now, and remove what a killed writer left."""
        if self._number == 0 or os.access(self._next, os.F_OK):
            self._open_newest()
        if self._number == 0:
            return
        size = os.fstat(self._file).st_size
        if size != self._size:
            self._size = self._last_end(size)
            if self._size != size:
                os.ftruncate(self._file, self._size)

    def _open_newest(self) -> None:
        numbers = log_numbers(self._directory)
        if not numbers:
            return
        file = os.open(log_path(self._directory, numbers[-1]), _FLAGS)
        token = token_of(os.pread(file, FIRST_SIZE, 0))
        self._close_file()
        if token is None:  # emptied by a power cut, or not ours: a newer one is begun after it
            os.close(file)
            self._begin_file(numbers[-1] + 1, {})
        else:
            self._write_to(numbers[-1], file, FIRST_SIZE, token)

    def _last_end(self, size: int) -> int:
        """Where the last whole batch ends."""
        start = max(0, size - FOOTER_SIZE)
        if footer_size(os.pread(self._file, FOOTER_SIZE, start), size - start, self._token):
            return size
        end = FIRST_SIZE
        with self._mapped() as data:
            for _, reached, _ in batches(data, FIRST_SIZE, self._token):
                end = reached
        return end

    def _offsets_written(self) -> dict[str, int]:
        if self._number == 0:
            return {}
        with self._mapped() as data:
            return offsets_in(data, self._token)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[mmap.mmap]:
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
            yield data

    def _write(self, data: bytes) -> None:
        rest = data
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    # The next file

    def _make_place(self) -> None:
        if self._number and self._size < self._bounds.file_size:
            return
        try:
            self._begin_file(self._number + 1, self._offsets_of_all())
        except OSError:
            # Better a file that is too large than lines lost, within reason.
            if self._number == 0 or self._size >= 2 * self._bounds.file_size:
                raise

    def _offsets_of_all(self) -> dict[str, int]:
        tags = {path.name for path in (self._directory / SPOOLS).iterdir()}
        known = self._reached
        if tags - known.keys():  # spools of another process
            known = {**self._offsets_written(), **known}
        return {tag: offset for tag, offset in known.items() if tag in tags}

    def _begin_file(self, number: int, offsets: dict[str, int]) -> None:
        """Make the file whole under another name, then give it its own; the oldest one goes."""
        for oldest in log_numbers(self._directory)[: -(self._bounds.files - 1) or None]:
            log_path(self._directory, oldest).unlink(missing_ok=True)
        token = os.urandom(4).hex().encode()
        state = Batch(
            microseconds=moment(self._clock()),
            source=Source.STATE,
            name=NO_NAME,
            payload=encode_offsets(offsets),
        )
        data = first_line(token) + encode(state, token)
        path = self._directory / "new"
        file = os.open(path, _FLAGS | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if os.write(file, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            path.rename(log_path(self._directory, number))
        except OSError:
            os.close(file)
            raise
        self._close_file()
        self._write_to(number, file, len(data), token)

    def _write_to(self, number: int, file: int, size: int, token: bytes) -> None:
        self._number, self._file, self._size, self._token = number, file, size, token
        self._next = str(log_path(self._directory, number + 1))  # asked for with every batch

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._number, self._file = 0, -1
