"""Usage as the sum over a container's processes, where no control group can be had.

Files read and memory file systems are then nobody's, and short-lived processes may be missed.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from runner.metrics.processes import PROC, at_most, count_threads, cpu_seconds, resident
from runner.metrics.usage import Usage


def read_processes(pids: Collection[int], proc: Path = PROC) -> Usage | None:
    """What they use together; None when all have ended."""
    if (threads := count_threads(pids, proc)) == 0:
        return None
    each = [resident(pid, proc) for pid in pids]
    own, files, swap = (sum(column) for column in zip(*each, strict=True))
    return Usage(
        memory=own + swap,
        rss=own,
        cache=files,
        swap=swap,
        cpu_seconds=cpu_seconds(pids, proc),
        processes=threads,
    )


def read_at_most(pids: Collection[int], proc: Path = PROC) -> int:
    """A bound for what they own together, quickly read."""
    return sum(at_most(pid, proc) for pid in pids)
