"""Who is whose child, from /proc."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

PROC = Path("/proc")


def children(pid: int, proc: Path = PROC) -> list[int]:
    """The direct children of ``pid``."""
    return by_parent(proc).get(pid, [])


def only_child(pid: int, proc: Path = PROC) -> int | None:
    """The child of ``pid``, a process with one thread that has one child at most.

    The kernel's own list, where it keeps one (CONFIG_PROC_CHILDREN), takes a hundredth of the time.
    It is not to be trusted when children come and go, so one that is not plain is looked for.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = (proc / str(pid) / "task" / str(pid) / "children").read_bytes().split()
        if len(found) == 1:
            return int(found[0])
    return next(iter(children(pid, proc)), None)


def descendants(root: int, proc: Path = PROC) -> set[int]:
    """Every process below ``root``. Orphans belong to the container's init, so none is missed."""
    return below(root, by_parent(proc))


def below(root: int, children_of: Mapping[int, Sequence[int]]) -> set[int]:
    """The same, from a look at all processes that serves for several."""
    found: set[int] = set()
    todo = [root]
    while todo:
        fresh = children_of.get(todo.pop(), [])
        found.update(fresh)
        todo += fresh
    return found


def by_parent(proc: Path = PROC) -> dict[int, list[int]]:
    """The children of every process that has any."""
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
