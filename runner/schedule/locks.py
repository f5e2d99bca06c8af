"""Which runs are alive: each run's process holds a lock, which the kernel frees when it dies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.locks import is_locked, took_lock

DIRECTORY = "schedule"
_PATIENCE = 1.0  # seconds; who only asks holds it for microseconds


class RunLocks:
    """The locks of one app's runs, by their numbers."""

    def __init__(self, app_dir: Path) -> None:
        self._directory = app_dir / DIRECTORY

    @contextlib.contextmanager
    def held(self, number: int) -> Iterator[bool]:
        """Hold the lock of a run; False if another process has it, and so runs it."""
        with contextlib.suppress(FileExistsError):
            self._directory.mkdir(mode=0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path(number), flags, 0o600)
        is_ours = False
        try:
            is_ours = took_lock(descriptor, timeout=_PATIENCE)
            yield is_ours
        finally:
            if is_ours:
                self.forget(number)
            os.close(descriptor)

    def is_held(self, number: int) -> bool:
        """Whether somebody runs it."""
        return is_locked(self._path(number), shared=True)

    def forget(self, number: int) -> None:
        """Remove its file, which a killed process leaves."""
        self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number}.lock"
