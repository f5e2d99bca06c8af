"""Where control groups may be made: cgroups v1, v2 or both mounted side by side (hybrid).

As root under the top of each hierarchy, as Docker does; as a user only below a group that was
delegated to us.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.values import value

OWN = "slugkit-own"
"""Where we move to ourselves in a group that was delegated to us."""
_MOVES = 5


@value
class Hierarchies:
    """Where groups may be made: ``v2`` for all controllers at once, else one directory each."""

    v2: Path | None
    v1: Mapping[str, Path]

    def has_cpu(self) -> bool:
        """Whether a CPU limit would hold."""
        if self.v2 is not None:
            return "cpu" in read_words(self.v2 / "cgroup.subtree_control")
        return "cpu" in self.v1

    @property
    def parents(self) -> tuple[Path, ...]:
        return (self.v2,) if self.v2 is not None else tuple(self.v1.values())


def find_hierarchies(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Hierarchies | None:
    """Where we may make groups, or None. ``own`` says which group we are in."""
    if (root / "cgroup.controllers").exists():
        return _find_v2(root, own)
    v1 = {name: root / name for name in ("memory", "pids", "cpu") if _is_ours(root / name)}
    return Hierarchies(v2=None, v1=v1) if {"memory", "pids"} <= v1.keys() else None


def _find_v2(root: Path, own: Path) -> Hierarchies | None:
    top = root
    if os.getuid() != 0:
        lines = own.read_text().splitlines()
        path = next((line[3:] for line in lines if line.startswith("0::")), "/")
        top = root / path.lstrip("/")
        top = top.parent if top.name == OWN else top
    has_controllers = {"memory", "pids"} <= set(read_words(top / "cgroup.controllers"))
    if not _is_ours(top) or not has_controllers:
        return None
    if not hand_down(top) and not (_is_delegated(top, root) and _make_room(top)):
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
        for pid in read_words(top / "cgroup.procs"):
            with contextlib.suppress(OSError):  # it has ended
                (own / "cgroup.procs").write_text(pid)
        if hand_down(top):
            return True
    return False


def _is_ours(path: Path) -> bool:
    # root passes access() on a read-only mount's modes too, but not on the mount itself
    return path.is_dir() and os.access(path, os.W_OK) and os.access(path / "cgroup.procs", os.W_OK)


def read_words(path: Path) -> list[str]:
    """What stands in a file of the kernel's; nothing where it cannot be read."""
    try:
        return path.read_text().split()
    except OSError:
        return []


def hand_down(directory: Path) -> bool:
    """Hand memory, pids and cpu down to the groups below; False where the kernel refuses.

    It refuses with EBUSY while a delegated group holds processes itself (no internal processes).
    """
    offered = set(read_words(directory / "cgroup.controllers"))
    wanted = [name for name in ("memory", "pids", "cpu") if name in offered]
    if set(wanted) <= set(read_words(directory / "cgroup.subtree_control")):
        return True
    try:
        (directory / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
    except OSError:
        return False
    return True
