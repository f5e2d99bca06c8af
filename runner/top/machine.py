"""The machine everything runs on, in three numbers and their limits."""

from __future__ import annotations

import os
from pathlib import Path

from buildpack.support.values import value

MEMINFO = Path("/proc/meminfo")


@value
class Machine:
    """How busy it is."""

    load: tuple[float, float, float]
    """over 1, 5 and 15 minutes"""
    processors: int
    memory: int
    """bytes that programs have and would not give back"""
    memory_limit: int


def read_machine(meminfo: Path = MEMINFO) -> Machine:
    """As it is now."""
    sizes = {}
    for line in meminfo.read_text("ascii", "replace").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()[:1]
        if number and number[0].isdigit():
            sizes[name] = int(number[0]) * 1024
    total = sizes.get("MemTotal", 0)
    free = sizes.get("MemAvailable", sizes.get("MemFree", 0))
    return Machine(
        load=os.getloadavg(),
        processors=len(os.sched_getaffinity(0)),
        memory=max(0, total - free),
        memory_limit=total,
    )
