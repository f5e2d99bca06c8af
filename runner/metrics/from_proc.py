"""Usage as the sum over a container's processes, where no control group can be had.

Files read and memory file systems are then nobody's, and short-lived processes may be missed.
"""

from __future__ import annotations

from pathlib import Path

from runner.engines.embedded.processes import descendants
from runner.metrics.processes import (
    PROC,
    at_most,
    count_threads,
    cpu_seconds,
    resident,
    threads_in,
)
from runner.metrics.usage import Usage


def read_processes(init: int, proc: Path = PROC) -> Usage | None:
    """What the process ``init`` and all below it use together; None when it has ended."""
    pids = {init} | descendants(init, proc)
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


def read_at_most(init: int, proc: Path = PROC) -> int:
    """A bound for what its processes own together, quickly read."""
    return sum(at_most(pid, proc) for pid in {init} | descendants(init, proc))


def threads_below(init: int, proc: Path = PROC) -> list[int]:
    """The number of each of its threads."""
    return threads_in({init} | descendants(init, proc), proc)
