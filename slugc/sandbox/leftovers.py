"""What a phase leaves running when nothing around it ends with it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PATIENCE = 5.0  # seconds; a killed process needs milliseconds


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Processes whose parents end become our children, daemons too, so we find them all.

    When this ends so do they; only those that were ours before stay.
    """
    before = _descendants(os.getpid())
    _adopt(yes=True)
    try:
        yield
    finally:
        _end_all_but(before)
        _adopt(yes=False)


def _adopt(*, yes: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _end_all_but(kept: set[int]) -> None:
    """SIGKILL, again for those that appear meanwhile, until none is left or the time is up."""
    deadline = time.monotonic() + _PATIENCE
    while (left := _descendants(os.getpid()) - kept) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or setuid
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # its parent is still another
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.002)


def _descendants(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name stands in parentheses and may hold spaces and parentheses itself.
                fields = (path / "stat").read_bytes().rpartition(b")")[2].split()
                parents[int(path.name)] = int(fields[1])
    found = {root}
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return found - {root}
