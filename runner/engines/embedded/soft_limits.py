"""What is said where the kernel does not hold all the limits that were asked for."""

from __future__ import annotations

from collections.abc import Mapping

from buildpack.support.hierarchies import Hierarchies
from runner.engines.base import Limits


def soft_limits(hierarchies: Hierarchies | None, limits: Limits) -> str | None:
    """What to tell the person about limits that do not hold; None when all do."""
    if hierarchies is None:
        cpu = "; the CPU limit does not hold at all" if limits.cpus is not None else ""
        return (
            f"Limits are soft here, for each process instead of each container{cpu}: no cgroup "
            "access (start as root, or with systemd-run --user --scope -p Delegate=yes)"
        )
    if limits.cpus is not None and not hierarchies.has_cpu():
        return "The CPU limit does not hold here: the kernel offers no cpu cgroup"
    return None


def with_memory(env: Mapping[str, str], limits: Limits) -> Mapping[str, str]:
    """Where no file says how much memory a container has, its environment does: apps plan by it."""
    memory = limits.quota or limits.memory
    return env if memory is None else {"DYNO_RAM": str(memory >> 20), **env}
