"""Limits that hold: cgroups v1, v2 or both mounted side by side (hybrid).

As root the groups are made under the top of each hierarchy, as Docker does; as a user only below
a group that was delegated to us. Where neither is allowed there is no ``Cgroup``, and the caller
says that limits are soft.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from buildpack.support.values import value

CGROUP_ROOT = Path("/sys/fs/cgroup")
PARENT = "slugkit"
OWN = "slugkit-own"
"""Where we move to ourselves in a group that was delegated to us."""
_MOVES = 5
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
class Hierarchies:
    """Where groups may be made: ``v2`` for all controllers at once, else one directory each."""

    v2: Path | None
    v1: Mapping[str, Path]

    def has_cpu(self) -> bool:
        """Whether a CPU limit would hold."""
        if self.v2 is not None:
            return "cpu" in _words(self.v2 / "cgroup.subtree_control")
        return "cpu" in self.v1

    @property
    def parents(self) -> tuple[Path, ...]:
        return (self.v2,) if self.v2 is not None else tuple(self.v1.values())


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

    def remove(self, *, timeout: float = 2.0) -> None:
        """Delete the groups. A process that is still ending keeps one busy for a moment."""
        deadline = time.monotonic() + timeout
        for path in dict.fromkeys(self.dirs.values()):
            remove_group(path, deadline)


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


def find_hierarchies(root: Path = CGROUP_ROOT, own: str = "") -> Hierarchies | None:
    """Where we may make groups, or None. ``own`` is the text of /proc/self/cgroup."""
    if (root / "cgroup.controllers").exists():
        return _find_v2(root, own)
    v1 = {name: root / name for name in ("memory", "pids", "cpu") if _is_ours(root / name)}
    return Hierarchies(v2=None, v1=v1) if {"memory", "pids"} <= v1.keys() else None


def _find_v2(root: Path, own: str) -> Hierarchies | None:
    top = root
    if os.getuid() != 0:
        path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), "/")
        top = root / path.lstrip("/")
        top = top.parent if top.name == OWN else top
    has_controllers = {"memory", "pids"} <= set(_words(top / "cgroup.controllers"))
    if not _is_ours(top) or not has_controllers:
        return None
    if not _enable(top) and not (_is_delegated(top, root) and _make_room(top)):
        return None
    return Hierarchies(v2=top, v1={})


def _is_delegated(top: Path, root: Path) -> bool:
    """Whether all in it is ours to order: systemd says so, or what is above is not ours.

    A desktop's terminals have groups that belong to their user too, and that systemd keeps.
    """
    if top == root or not os.access(top.parent / "cgroup.procs", os.W_OK):
        return True
    try:
        return os.getxattr(top, "user.delegate") == b"1"
    except OSError:
        return False


def _make_room(top: Path) -> bool:
    """Move what runs in the group itself, us too, into one below it.

    A group has processes or hands controllers down, never both (cgroups(7), "no internal
    processes"); who is started in a delegated group always finds itself in there.
    """
    own = top / OWN
    own.mkdir(exist_ok=True)
    for _ in range(_MOVES):  # what is moved may start others meanwhile
        for pid in _words(top / "cgroup.procs"):
            with contextlib.suppress(OSError):  # it has ended
                (own / "cgroup.procs").write_text(pid)
        if _enable(top):
            return True
    return False


def _is_ours(path: Path) -> bool:
    # root passes access() on a read-only mount's modes too, but not on the mount itself
    return path.is_dir() and os.access(path, os.W_OK) and os.access(path / "cgroup.procs", os.W_OK)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _enable(directory: Path) -> bool:
    """Hand memory, pids and cpu down to the groups below; False where the kernel refuses.

    It refuses with EBUSY while a delegated group holds processes itself (no internal processes).
    """
    offered = set(_words(directory / "cgroup.controllers"))
    wanted = [name for name in ("memory", "pids", "cpu") if name in offered]
    if set(wanted) <= set(_words(directory / "cgroup.subtree_control")):
        return True
    try:
        (directory / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
    except OSError:
        return False
    return True


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
        _enable(path)
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
                for pid in _words(group / "cgroup.procs"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                remove_group(group, deadline)


def set_cpu_weight(cgroup: Cgroup, weight: int) -> None:
    """Its share of the processors while others want them too; 100 is the kernel's default."""
    directory = cgroup.dirs.get("cpu")
    if directory is None:
        return
    file, text = ("cpu.weight", weight) if cgroup.is_v2 else ("cpu.shares", weight * 1024 // 100)
    if (directory / file).exists():
        (directory / file).write_text(str(text))


def remove_run_groups(hierarchies: Hierarchies, run_id: str) -> None:
    """Delete every group of a run: its containers' and its own. Kills nothing."""
    for top in hierarchies.parents:
        run = top / PARENT / run_id
        deadline = time.monotonic() + 2.0
        if run.is_dir():
            for group in run.iterdir():
                if group.is_dir():
                    remove_group(group, deadline)
            remove_group(run, deadline)
