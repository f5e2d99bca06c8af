"""Locks that cannot be held twice: files that nobody removes who does not hold them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError

_ROUNDS = 10  # of making a directory that others take away


class LockTimeoutError(SlugkitError):
    """Somebody else holds the lock and did not let go in time."""

    exit_code = ExitCode.TRY_AGAIN
    id = "lock-timeout"

    def __init__(self, path: Path, waited: float, holder: str) -> None:
        self.path, self.waited, self.holder = path, waited, holder
        super().__init__(
            f"Another process is using {path.parent}",
            details=f"The lock {path} is held by process {holder or 'unknown'}.",
            resolution=f"Waited {waited:g} seconds. Try again when it has finished.",
        )


@contextlib.contextmanager
def locked(
    path: Path, *, timeout: float = 600.0, shared: bool = False, held: int | None = None
) -> Iterator[None]:
    """Hold the lock file ``path``, made if missing; freed when we die.

    Never through a link: the directory may belong to a user with fewer rights than ours, and the
    file is written to. Only who holds the lock alone may remove or rename the file; who waits for
    it meanwhile notices, and takes the new one. ``held`` is its descriptor if we hold it already.
    """
    descriptor = open_locked(path, timeout=timeout, shared=shared) if held is None else held
    try:
        if not shared:
            os.ftruncate(descriptor, 0)
            with contextlib.suppress(OSError):  # it is told to who waits, and a disk may be full
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def open_locked(path: Path, *, timeout: float = 600.0, shared: bool = False) -> int:
    """``locked`` for who keeps the descriptor: the lock is held until its last copy is closed."""
    deadline = time.monotonic() + timeout
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while (descriptor := _locked_file(path, mode, deadline, timeout)) is None:
        pass
    return descriptor


def is_locked(path: Path, *, shared: bool = False) -> bool:
    """Whether somebody holds the lock file ``path``, asked by holding it for a moment.

    With ``shared`` those who share it do not count, nor do others who ask so at the same time.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked_file(path: Path, mode: int, deadline: float, timeout: float) -> int | None:
    """The file, open and locked; None if it was removed or replaced while we waited."""
    descriptor = _opened(path)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise OSError(errno.ELOOP, "not a lock file of ours", os.fspath(path))
        if not took_lock(descriptor, timeout=deadline - time.monotonic(), mode=mode):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise LockTimeoutError(path, timeout, holder)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.lstat(), status):
                return descriptor
    except BaseException:  # Ctrl-C too: a lock that nobody knows of is held for ever
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _opened(path: Path, rounds: int = _ROUNDS) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o644)
    except (FileExistsError, FileNotFoundError):
        # Who prunes takes the directory away, and pathlib looks at it twice.
        if rounds == 1 or (os.path.lexists(path.parent) and not path.parent.is_dir()):
            raise
    return _opened(path, rounds - 1)


def took_lock(descriptor: int, *, timeout: float, mode: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file, waiting so many seconds; False if others have held it all the while."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        else:
            return True
