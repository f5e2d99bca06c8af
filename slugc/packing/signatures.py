"""Knowing that a layer has not changed without reading it.

A layer's signature is a hash over path, inode, size and mtime of every entry, from the scan that
is made anyway: 14,000 files in a twentieth of a second. Trees restored from a buildpack's cache
as hard links keep all of these, so the layer is recognised from one build to the next.

Two things could make a changed file look unchanged:

- It was written in the tick in which it was scanned ("racy git", Documentation/technical/
  racy-git.txt in Git's source). Git reads such files again; we wait until the tick is over
  before reading, so any later write has a later mtime.
- Its inode is a new one with a recycled number, its size the same and its mtime set to what
  builders like to set it to. A file that was made anew has a new ctime, but so has every hard
  link to an old one. So ctime counts where there is one link, and the time of birth (statx(2))
  where there are several and the mtime is a whole second, as times that were set are.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from slugc.archive.headers import MemberKind
from slugc.archive.scan import Entry
from slugc.birth_time import BirthTimes

_SECOND = 1_000_000_000
# The kernel stamps files with the time of its last tick: at most 10 ms ago (CONFIG_HZ=100).
_TICK = 20_000_000
# Some file systems keep whole seconds (ext3, HFS+), FAT even ones only.
_COARSE = 2 * _SECOND


def tree_signature(root: Path, entries: Iterable[Entry], *, salt: str) -> str | None:
    """What identifies these entries until one of them changes; None if nothing can.

    Call it before the files are read: it waits for the tick to end. ``salt`` stands for what
    else decides the bytes: how they are packed.
    """
    now = time.time_ns()
    lines = [salt.encode()]
    newest = 0
    with BirthTimes(root) as births:
        for entry in entries:
            line = b"%b\0%b\0%b" % (entry.kind.value[:1].encode(), _joined(entry), entry.target)
            if entry.kind is MemberKind.FILE:
                if entry.modified > now - _COARSE:
                    if entry.modified % _SECOND == 0:
                        return None
                    newest = max(newest, entry.modified)
                identity = _identity(entry, births)
                if identity is None:
                    return None
                line += identity
            lines.append(line)
    _wait_until(newest + _TICK)
    return hashlib.sha256(b"\0\n".join(lines)).hexdigest()


def _joined(entry: Entry) -> bytes:
    return b"/".join(entry.path)


def _identity(entry: Entry, births: BirthTimes) -> bytes | None:
    if entry.links == 1:
        made = entry.changed
    elif entry.modified % _SECOND:
        made = 0
    else:
        born = births.of(entry.path)
        if born is None:
            return None
        made = born
    return b"\0%d %d %d %d %d %d" % (
        entry.device,
        entry.inode,
        entry.size,
        entry.modified,
        entry.executable,
        made,
    )


def _wait_until(moment: int) -> None:
    """Sleep until the file clock has passed ``moment``; times in the future are not waited for."""
    left = moment - time.time_ns()
    if 0 < left <= _TICK:
        time.sleep(left / _SECOND)
