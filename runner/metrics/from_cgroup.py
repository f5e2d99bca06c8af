"""Usage as the kernel counts it for a control group, v1 or v2."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.cgroups import Cgroup
from runner.metrics.processes import cpu_seconds
from runner.metrics.usage import Usage

_GONE = (errno.ENOENT, errno.ENODEV)  # ENODEV: it was removed after the file was opened
_NANO, _MICRO = 1e-9, 1e-6


def read_group(cgroup: Cgroup) -> Usage | None:
    """What its processes use together; None when the group is gone."""
    try:
        return _read_v2(cgroup) if cgroup.is_v2 else _read_v1(cgroup)
    except OSError as err:
        if err.errno in _GONE:
            return None
        raise


def read_charged(cgroup: Cgroup) -> int:
    """All it is charged with, the cache of files included; 0 when it is gone.

    One small file, where ``read_group`` takes five: nothing is above its quota when this is not.
    """
    name = "memory.current" if cgroup.is_v2 else "memory.usage_in_bytes"
    try:
        return int((cgroup.dirs["memory"] / name).read_text()) + _swap(cgroup)
    except OSError as err:
        if err.errno in _GONE:
            return 0
        raise


def threads_of(cgroup: Cgroup) -> list[int]:
    """The number of each of its threads."""
    name = "cgroup.threads" if cgroup.is_v2 else "tasks"
    try:
        return [int(word) for word in (cgroup.dirs["pids"] / name).read_text().split()]
    except OSError as err:
        if err.errno in _GONE:
            return []
        raise


def _read_v1(cgroup: Cgroup) -> Usage:
    memory, pids = cgroup.dirs["memory"], cgroup.dirs["pids"]
    stat = _counts(memory / "memory.stat")
    files = stat["total_inactive_file"] + stat["total_active_file"]
    swap = stat.get("total_swap", 0)  # missing without swap accounting
    accounting = cgroup.dirs.get("cpu", pids) / "cpuacct.usage"
    return Usage(
        memory=max(0, _number(memory / "memory.usage_in_bytes") - files) + swap,
        rss=stat["total_rss"],
        cache=stat["total_cache"],
        swap=swap,
        cpu_seconds=_number(accounting) * _NANO
        if accounting.exists()  # its own hierarchy in some places, which we make no group in
        else cpu_seconds(_numbers(pids / "cgroup.procs")),
        processes=_number(pids / "pids.current"),
        pages_in=stat["total_pgpgin"],
        pages_out=stat["total_pgpgout"],
    )


def _read_v2(cgroup: Cgroup) -> Usage:
    group = cgroup.dirs["memory"]
    stat = _counts(group / "memory.stat")
    files = stat["inactive_file"] + stat["active_file"]
    swap = _swap(cgroup)
    return Usage(
        memory=max(0, _number(group / "memory.current") - files) + swap,
        rss=stat["anon"],
        cache=stat["file"],
        swap=swap,
        cpu_seconds=_counts(group / "cpu.stat").get("usage_usec", 0) * _MICRO,
        processes=_number(group / "pids.current"),
        pages_in=stat.get("pgpgin"),
        pages_out=stat.get("pgpgout"),
    )


def _swap(cgroup: Cgroup) -> int:
    """v1 counts it in with the memory of its stat only."""
    path = cgroup.dirs["memory"] / "memory.swap.current"
    return _number(path) if cgroup.is_v2 and path.exists() else 0


def _counts(path: Path) -> Mapping[str, int]:
    words = path.read_text().split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


def _number(path: Path) -> int:
    return int(path.read_text())


def _numbers(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]
