"""Limits that hold: the groups of one container or build, in cgroups v1, v2 or both (hybrid).

Where groups may be made is found in hierarchies.py; where it is nowhere there is no ``Cgroup``, and
the caller says that limits are soft.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from buildpack.support.hierarchies import Hierarchies, hand_down, read_words
from buildpack.support.values import value

PARENT = "slugkit"
_CPU_PERIOD = 100_000  # microseconds; the kernel's and Docker's default


class Limits(Protocol):
    """What the processes of one group may use together. ``None`` means no limit of ours."""

    @property
    def memory(self) -> int | None:
        """bytes"""

    @property
    def cpus(self) -> float | None:
        """processors' worth of time"""

    @property
    def pids(self) -> int | None:
        """processes and threads"""


@value
class Cgroup:
    """The groups of one container or build: a directory for each controller, one for all in v2."""

    dirs: Mapping[str, Path]
    is_v2: bool

    @property
    def entrances(self) -> tuple[Path, ...]:
        """Where a process enters by writing 0, "myself"; one file per hierarchy.

        v1's ``tasks`` moves one thread without the kernel's lock over all thread groups, which
        takes some 5 ms a hierarchy; a starting shell has one thread.
        """
        name = "cgroup.procs" if self.is_v2 else "tasks"
        return tuple(path / name for path in dict.fromkeys(self.dirs.values()))

    @property
    def view(self) -> tuple[tuple[Path, PurePosixPath], ...]:
        """What is shown, read-only, inside the container, so programs can read their limits."""
        if self.is_v2:
            return ((next(iter(self.dirs.values())), PurePosixPath("/sys/fs/cgroup")),)
        inside = PurePosixPath("/sys/fs/cgroup")
        return tuple((path, inside / name) for name, path in self.dirs.items())

    @property
    def memory_file(self) -> PurePosixPath:
        """Where programs inside read how much memory they may use."""
        name = "memory.max" if self.is_v2 else "memory/memory.limit_in_bytes"
        return PurePosixPath("/sys/fs/cgroup") / name

    def has_oom_kill(self) -> bool:
        """Whether the kernel killed a process in here for want of memory."""
        return self.oom_kills() > 0

    def oom_kills(self) -> int:
        """How many processes the kernel killed in here for want of memory."""
        name = "memory.events" if self.is_v2 else "memory.oom_control"
        return self._count("memory", name, "oom_kill")

    def refused_processes(self) -> int:
        """How often the kernel refused a process or thread in here: there were too many."""
        return self._count("pids", "pids.events", "max")

    def _count(self, controller: str, file: str, event: str) -> int:
        directory = self.dirs.get(controller)
        if directory is None:
            return 0
        try:
            fields = (directory / file).read_text().split()
        except FileNotFoundError:
            return 0  # already removed
        counts = dict(zip(fields[::2], fields[1::2], strict=False))
        return int(counts.get(event, "0"))

    def kill(self) -> None:
        """End what is in there, where nobody knows of one process that all others end with."""
        for path in dict.fromkeys(self.dirs.values()):
            kill_group(path)

    def remove(self, *, timeout: float = 2.0) -> None:
        """Delete the groups. A process that is still ending keeps one busy for a moment."""
        deadline = time.monotonic() + timeout
        for path in dict.fromkeys(self.dirs.values()):
            remove_group(path, deadline)


def kill_group(path: Path) -> None:
    """SIGKILL to all that is in a group now."""
    for pid in read_words(path / "cgroup.procs"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def remove_group(path: Path, deadline: float) -> None:
    """rmdir ``path``, waiting for its last process to be gone. Missing is fine."""
    while True:
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.005)
        else:
            return


def create_cgroup(hierarchies: Hierarchies, run_id: str, name: str, limits: Limits) -> Cgroup:
    """Groups for one container or build, with its limits set before anything runs in them."""
    if hierarchies.v2 is not None:
        group = _make_v2(hierarchies.v2, run_id, name)
        cgroup = Cgroup(dirs=dict.fromkeys(("memory", "pids", "cpu"), group), is_v2=True)
    else:
        dirs = {key: top / PARENT / run_id / name for key, top in hierarchies.v1.items()}
        for top in hierarchies.v1.values():
            _make_group(top / PARENT, exist_ok=True)
            _make_group(top / PARENT / run_id, exist_ok=True)
            _make_group(top / PARENT / run_id / name)
        cgroup = Cgroup(dirs=dirs, is_v2=False)
    for path, text in limit_files(cgroup, limits):
        path.write_text(text)
    return cgroup


def _make_v2(top: Path, run_id: str, name: str) -> Path:
    path = top
    for part in (PARENT, run_id):
        path = path / part
        _make_group(path, exist_ok=True)
        hand_down(path)
    _make_group(path / name)
    return path / name


def _make_group(path: Path, *, exist_ok: bool = False) -> None:
    """A group that containers are shown, whatever our umask."""
    try:
        path.mkdir()
    except FileExistsError:
        if not exist_ok:
            raise
    else:
        path.chmod(0o755)


def limit_files(cgroup: Cgroup, limits: Limits) -> tuple[tuple[Path, str], ...]:
    """Which file gets which text. Swap counts as memory, so a limit cannot be slept past."""
    settings: list[tuple[str, str, str]] = []
    if limits.memory is not None:
        memory = str(limits.memory)
        settings += (
            [("memory", "memory.max", memory), ("memory", "memory.swap.max", "0")]
            if cgroup.is_v2
            else [
                ("memory", "memory.limit_in_bytes", memory),
                ("memory", "memory.memsw.limit_in_bytes", memory),
            ]
        )
    if limits.pids is not None:
        settings.append(("pids", "pids.max", str(limits.pids)))
    if limits.cpus is not None:
        quota = str(int(limits.cpus * _CPU_PERIOD))
        settings += (
            [("cpu", "cpu.max", f"{quota} {_CPU_PERIOD}")]
            if cgroup.is_v2
            else [
                ("cpu", "cpu.cfs_period_us", str(_CPU_PERIOD)),
                ("cpu", "cpu.cfs_quota_us", quota),
            ]
        )
    return tuple(
        (cgroup.dirs[controller] / file, value)
        for controller, file, value in settings
        if controller in cgroup.dirs and _is_supported(cgroup.dirs[controller] / file)
    )


def _is_supported(path: Path) -> bool:
    # swap accounting is a kernel option (swapaccount=1); without it there is nothing to write
    return path.exists() or "sw" not in path.name


def remove_groups_except(hierarchies: Hierarchies, run_id: str, known: frozenset[str]) -> None:
    """Delete a run's groups of other names than ``known``, and kill what is in them."""
    for top in hierarchies.parents:
        run = top / PARENT / run_id
        for group in run.iterdir() if run.is_dir() else ():
            if group.is_dir() and group.name not in known:
                deadline = time.monotonic() + 2.0
                kill_group(group)
                remove_group(group, deadline)


def set_cpu_weight(cgroup: Cgroup, weight: int) -> None:
    """Its share of the processors while others want them too; 100 is the kernel's default."""
    directory = cgroup.dirs.get("cpu")
    if directory is None:
        return
    file, text = ("cpu.weight", weight) if cgroup.is_v2 else ("cpu.shares", weight * 1024 // 100)
    if (directory / file).exists():
        (directory / file).write_text(str(text))


def remove_run_groups(hierarchies: Hierarchies, run_id: str, *, patience: float = 2.0) -> None:
    """Delete every group of a run: its containers' and its own. Kills nothing."""
    for top in hierarchies.parents:
        run = top / PARENT / run_id
        deadline = time.monotonic() + patience
        if run.is_dir():
            for group in run.iterdir():
                if group.is_dir():
                    remove_group(group, deadline)
            remove_group(run, deadline)
