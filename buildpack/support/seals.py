"""Knowing that a tree is still what it was, without listing a directory or reading a file of it.

A seal notes inode number and ctime of every entry that matters. The kernel moves a directory's
ctime with every name that is made in it, taken from it or replaced, and a file's with every write,
chmod and link; no program can set one. So a tree whose sealed directories are as noted holds the
very same files under the very same names, and a file sealed as well has not been written to.

The top directory's own ctime is left out, because renaming a tree moves it; its entries are listed
instead. Times tick: a change within the tick of the last one noted could go unseen, so a seal is
good only from ``safe_after`` on.
"""

from __future__ import annotations

import os
import struct
import time
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

from buildpack.support.values import value

_HEADER = struct.Struct("<8sQQ")
_MAGIC = b"SKSEAL1\n"
_SECOND = 1_000_000_000
# The kernel stamps files with the time of its last tick: at most 10 ms ago (CONFIG_HZ=100).
_TICK = 20_000_000
# Some file systems keep whole seconds (ext3, HFS+), FAT even ones only.
_COARSE = 2 * _SECOND
WORTH_A_PROCESS = 6000
"""entries; for fewer, starting one takes as long as asking for half of them"""
ANY = -1
"""Stands for a ctime that does not count."""
_TOP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@value
class Seal:
    """Entries below one directory, relative to it, with what each was like."""

    paths: tuple[bytes, ...]
    inodes: Sequence[int]
    changed: Sequence[int]
    """ctime in nanoseconds"""

    @property
    def safe_after(self) -> int:
        """The wall clock time, in nanoseconds, from which on no change can go unseen."""
        return safe_after(self.changed)

    def wait(self) -> None:
        """Sleep until it is good; a time in the future, of a clock set back, is not waited for."""
        left = self.safe_after - time.time_ns()
        if 0 < left <= _COARSE:
            time.sleep(left / _SECOND)

    def encoded(self) -> bytes:
        return encode_seal(self.paths, self.inodes, self.changed)


def safe_after(changed: Sequence[int]) -> int:
    """``Seal.safe_after``, from the ctimes alone."""
    newest = max((moment for moment in changed if moment != ANY), default=0)
    is_coarse = all(moment % _SECOND == 0 for moment in changed if moment != ANY)
    return newest + (_COARSE if is_coarse else _TICK)


def encode_seal(paths: Iterable[bytes], inodes: Sequence[int], changed: Sequence[int]) -> bytes:
    """``Seal.encoded`` without a Seal: the paths of 200,000 files are best not all kept."""
    names = bytearray()
    for path in paths:
        names += path
        names.append(0)
    header = _HEADER.pack(_MAGIC, len(inodes), max(len(names) - 1, 0))
    return b"".join((header, memoryview(names)[:-1], array("Q", inodes), array("q", changed)))


def decode_seal(data: bytes) -> Seal | None:
    """The seal ``encoded`` made these bytes of; None when it did not."""
    if len(data) < _HEADER.size:
        return None
    magic, count, length = _HEADER.unpack_from(data)
    start = _HEADER.size + length
    if magic != _MAGIC or len(data) != start + 16 * count:
        return None
    paths = tuple(data[_HEADER.size : start].split(b"\0")) if length else ()
    if len(paths) != count:
        return None
    inodes, changed = array("Q"), array("q")
    inodes.frombytes(data[start : start + 8 * count])
    changed.frombytes(data[start + 8 * count :])
    return Seal(paths=paths, inodes=inodes, changed=changed)


def seal_entries(top: Path, paths: Sequence[bytes], links: Sequence[bytes] = ()) -> Seal:
    """A seal of these entries as they are now; all that lies in ``top`` itself must be among them.

    Whoever calls it knows what they hold: it has just made them, or listed them before. Of
    ``links`` only the inode counts: their ctime moves when other links to the same file are made.
    """
    descriptor = os.open(top, _TOP)
    try:
        sealed = [os.stat(path, dir_fd=descriptor, follow_symlinks=False) for path in paths]
        linked = [os.stat(path, dir_fd=descriptor, follow_symlinks=False) for path in links]
    finally:
        os.close(descriptor)
    return Seal(
        paths=(*paths, *links),
        inodes=[status.st_ino for status in (*sealed, *linked)],
        changed=[status.st_ctime_ns for status in sealed] + [ANY] * len(linked),
    )


def is_unbroken(top: Path, seal: Seal) -> bool:
    """Whether everything sealed is as it was, and nothing is new in ``top``.

    Of many entries another process looks at half: it is only the kernel that is asked.
    """
    try:
        descriptor = os.open(top, _TOP)
    except OSError:
        return False
    try:
        listed = {os.fsencode(name) for name in os.listdir(descriptor)}  # noqa: PTH208 - of what we hold
        if listed != {path for path in seal.paths if b"/" not in path}:
            return False
        count = len(seal.paths)
        if count < WORTH_A_PROCESS or len(os.sched_getaffinity(0)) == 1:
            return _are_as_noted(descriptor, seal, range(count))
        child = _look_aside(descriptor, seal, range(count // 2, count))
        try:
            first = _are_as_noted(descriptor, seal, range(count // 2))
        finally:
            code = os.waitpid(child, 0)[1]
        return first and code == 0
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _are_as_noted(descriptor: int, seal: Seal, which: range) -> bool:
    part = slice(which.start, which.stop)
    noted = zip(seal.paths[part], seal.inodes[part], seal.changed[part], strict=True)
    for path, inode, changed in noted:
        status = os.stat(path, dir_fd=descriptor, follow_symlinks=False)
        if status.st_ino != inode or changed not in {ANY, status.st_ctime_ns}:
            return False
    return True


def _look_aside(descriptor: int, seal: Seal, which: range) -> int:
    """A process that ends with 0 if these entries are as noted."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = 0 if _are_as_noted(descriptor, seal, which) else 1
    except OSError:
        code = 1
    finally:
        os._exit(code)
