"""What programs leave running when nothing around them ends with them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Set
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PATIENCE = 5.0  # seconds; a killed process needs milliseconds


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Processes whose parents end become our children, daemons too, so we find them all.

    When this ends so do they; only those that were ours before stay.
    """
    before = _descendants(os.getpid())
    adopt_orphans()
    try:
        yield
    finally:
        _end_all_but(before)
        adopt_orphans(yes=False)


def adopt_orphans(*, yes: bool = True) -> None:
    """From now on, processes below us whose parents end are our children."""
    import ctypes  # wanted by the few builds that have hooks

    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def read_descendants() -> Set[int]:
    """Every process below us."""
    return _descendants(os.getpid()) if _has_children() else frozenset()


def end_descendants(kept: Set[int]) -> tuple[str, ...]:
    """End every process below us but ``kept`` and what those started; the names of their programs.

    Who has ended already is not among them.
    """
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return _end_all_but(kept) if _has_children() else ()


def _has_children() -> bool:
    """Cheaper than a look at all processes; no, where the kernel does not tell."""
    try:
        tasks = list(Path("/proc/self/task").iterdir())
        return any((task / "children").read_bytes() for task in tasks)
    except OSError:
        return False


def _end_all_but(kept: Set[int]) -> tuple[str, ...]:
    """SIGKILL, again for those that appear meanwhile, until none is left or the time is up."""
    deadline = time.monotonic() + _PATIENCE
    names: dict[int, str] = {}
    while (left := _descendants(os.getpid(), kept)) and time.monotonic() < deadline:
        for pid in left:
            names.setdefault(pid, _name(pid))
            with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or setuid
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # its parent is still another
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.002)
    return tuple(sorted(filter(None, names.values())))


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _descendants(root: int, passed_over: Set[int] = frozenset()) -> set[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name stands in parentheses and may hold spaces and parentheses itself.
                fields = (path / "stat").read_bytes().rpartition(b")")[2].split()
                parents[int(path.name)] = int(fields[1])
    found = {root}
    for pid in passed_over:
        parents.pop(pid, None)
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return found - {root}
