"""What processes hold on a disk without a name: files deleted while they are open or mapped."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from slugc.sandbox.disk_watch import Room

_MAPPED = re.compile(r"([0-9a-f]+-[0-9a-f]+) .*\(deleted\)$")


def nameless_room(roots: Iterable[int], place: Path, proc: Path = Path("/proc")) -> Room:
    """Such files on the file system of ``place``, held by ``roots`` and all they started.

    A sandbox's processes all descend from its first: whoever loses a parent gets that one.
    """
    device = place.stat().st_dev
    sizes: dict[int, int] = {}
    for pid in _descendants(frozenset(roots), proc):
        for held in _held_files(proc / str(pid)):
            try:
                status = held.stat()
            except OSError:  # closed, or the process has ended
                continue
            if stat.S_ISREG(status.st_mode) and not status.st_nlink and status.st_dev == device:
                sizes[status.st_ino] = status.st_blocks * 512
    return Room(sum(sizes.values()), len(sizes))


def _descendants(roots: frozenset[int], proc: Path) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for pid in map(int, filter(str.isdigit, os.listdir(proc))):  # noqa: PTH208 - names alone
        parent = parent_of(pid, proc)
        children.setdefault(parent, []).append(pid)
    todo = list(roots)
    while todo:
        pid = todo.pop()
        yield pid
        todo += children.get(pid, ())


def parent_of(pid: int, proc: Path = Path("/proc")) -> int:
    """Which process started it, or took it over; 0 where it is not there."""
    try:
        text = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])  # the name before it may hold anything


def _held_files(process: Path) -> Iterator[Path]:
    """Links to what it has open, or has mapped and closed."""
    try:
        yield from (process / "fd" / name for name in os.listdir(process / "fd"))  # noqa: PTH208
        lines = (process / "maps").read_text(errors="replace").splitlines()
    except OSError:
        return
    for each in filter(None, map(_MAPPED.match, lines)):
        # Only root may look these up; a user's mapped files count while they are open.
        start, end = (int(part, 16) for part in each[1].split("-"))
        yield process / "map_files" / f"{start:x}-{end:x}"
