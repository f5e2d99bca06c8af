"""Who is whose child, from /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path

PROC = Path("/proc")


def children(pid: int, proc: Path = PROC) -> list[int]:
    """The direct children of ``pid``."""
    return _by_parent(proc).get(pid, [])


def descendants(root: int, proc: Path = PROC) -> set[int]:
    """Every process below ``root``. Orphans belong to the container's init, so none is missed."""
    by_parent = _by_parent(proc)
    found: set[int] = set()
    todo = [root]
    while todo:
        below = by_parent.get(todo.pop(), [])
        found.update(below)
        todo += below
    return found


def _by_parent(proc: Path) -> dict[int, list[int]]:
    # /proc/PID/task/PID/children would be shorter, but is a kernel option (CONFIG_PROC_CHILDREN).
    found: dict[int, list[int]] = {}
    for path in proc.iterdir():
        if path.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.setdefault(_parent(path), []).append(int(path.name))
    return found


def _parent(process: Path) -> int:
    # The name stands in parentheses and may hold spaces and parentheses itself.
    return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
