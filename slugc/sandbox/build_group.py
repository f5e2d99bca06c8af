"""The groups of the kernel (cgroups v1 or v2) that hold the limits of one build, all its phases."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from buildpack.support.cgroups import PARENT, create_cgroup, remove_group
from buildpack.support.hierarchies import Hierarchies, find_hierarchies
from buildpack.support.values import value
from slugc.sandbox.limits import (
    BuildLimits,
    LimitReachedError,
    machine_memory,
    memory_reached,
    processes_reached,
)

BUILDS = "builds"
ENTER = """\
while [ "$1" != -- ]; do echo 0 >"$1" || exit 1; shift; done; shift; exec "$@"
"""


@value
class Counts:
    """How often the kernel ended a process for want of memory, and refused a new one."""

    killed: int
    refused: int


class BuildGroup:
    """Made before anything runs in it. ``limits`` are those that hold, defaults included."""

    def __init__(self, hierarchies: Hierarchies, limits: BuildLimits) -> None:
        sweep(hierarchies)
        self.limits = limits
        name = f"{os.getpid()}-{_numbers_of(Path('/proc'))}-{os.urandom(4).hex()}"
        self._cgroup = create_cgroup(hierarchies, BUILDS, name, limits)

    @property
    def prefix(self) -> tuple[str, ...]:
        """What goes before a program, while it has the rights to, so that it runs in here."""
        entrances = (os.fspath(path) for path in self._cgroup.entrances)
        return ("sh", "-c", ENTER, "slugc-limits", *entrances, "--")

    def counts(self) -> Counts:
        """How often the kernel stepped in so far."""
        return Counts(killed=self._cgroup.oom_kills(), refused=self._cgroup.refused_processes())

    def reached(self, before: Counts, phase: str, said: str) -> LimitReachedError | None:
        """Which limit a phase that failed had run into since ``before``, if it had."""
        return reached(before, self.counts(), self.limits, phase=phase, said=said)

    def remove(self) -> None:
        """Delete the groups, when what was in them has ended."""
        with contextlib.suppress(OSError):  # a last process is still ending: swept next time
            self._cgroup.remove(timeout=0.5)


def reached(
    before: Counts, after: Counts, limits: BuildLimits, *, phase: str, said: str
) -> LimitReachedError | None:
    """The limit that the kernel held against a phase, if it did."""
    if limits.memory is not None and after.killed > before.killed:
        return memory_reached(phase, limits.memory, said)
    if limits.processes is not None and after.refused > before.refused:
        return processes_reached(phase, limits.processes, said)
    return None


def make_group(limits: BuildLimits) -> BuildGroup | None:
    """The build's groups; None where none can be made."""
    hierarchies = find_hierarchies()
    if hierarchies is None:
        return None
    try:
        return BuildGroup(hierarchies, limits.with_defaults(machine_memory()))
    except OSError:  # the mount is writable for its files, and not for new groups
        return None


def sweep(hierarchies: Hierarchies, proc: Path = Path("/proc")) -> None:
    """Delete the groups of builds that were killed. Kills nothing.

    Containers may share the groups of a machine: who is of another one is not to be seen in /proc.
    """
    ours = _numbers_of(proc)
    for top in hierarchies.parents:
        builds = top / PARENT / BUILDS
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(builds):  # noqa: PTH208 - names alone, and it is on every start
                pid, _, rest = name.partition("-")
                if rest.startswith(f"{ours}-") and not (proc / pid).exists():
                    with contextlib.suppress(OSError):  # not empty yet, or another was quicker
                        remove_group(builds / name, time.monotonic())


def _numbers_of(proc: Path) -> str:
    """The namespace in which processes have the numbers that ``proc`` knows."""
    return (proc / "self/ns/pid").readlink().name.strip("pid:[]")
