"""One look at a tree: what is in it, in the order it is packed, without reading a file.

Names are kept byte for byte. What could not be unpacked again is refused here, by name, all of
it at once.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from buildpack.support.errors import ExitCode, SlugkitError, printable
from slugc.archive.headers import MemberKind
from slugc.archive.judge import Refusal, TreePath, link_refusals, path_refusal
from slugc.archive.limits import Limits

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SHOWN = 20


class Entry(NamedTuple):
    """One entry of a tree. Of what is no file only inode and ctime count: the rest says it all."""

    path: TreePath
    kind: MemberKind
    target: bytes = b""
    executable: bool = False
    size: int = 0
    inode: int = 0
    device: int = 0
    links: int = 0
    modified: int = 0
    """mtime in nanoseconds"""
    changed: int = 0
    """ctime in nanoseconds"""


class UnpackableTreeError(SlugkitError):
    """The tree holds what no slug can hold."""

    exit_code = ExitCode.DATA
    id = "unpackable-tree"

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        self.refusals = refusals
        lines = [f"'{printable(each.name)}': {each.reason}" for each in refusals[:_SHOWN]]
        if len(refusals) > _SHOWN:
            lines.append(f"and {len(refusals) - _SHOWN} more")
        super().__init__(
            "The app holds files that cannot go into a slug",
            details="\n".join(lines),
            resolution="Remove them, or name them in .slugignore.after.",
        )


class UnreadableTreeError(SlugkitError):
    """Files or directories that we may not read."""

    exit_code = ExitCode.PERMISSION
    id = "unreadable-tree"

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.names = names
        super().__init__(
            "The app holds files that cannot be read",
            details="\n".join(f"'{printable(name)}'" for name in names[:_SHOWN]),
            resolution=f"Give uid {os.geteuid()} permission to read them, or remove them.",
        )


class TreeTooLargeError(SlugkitError):
    """More files or bytes than a slug may hold."""

    exit_code = ExitCode.DATA
    id = "tree-too-large"

    def __init__(
        self, what: str, limit: int, found: int, biggest: tuple[tuple[bytes, int], ...]
    ) -> None:
        self.what, self.limit, self.found, self.biggest = what, limit, found, biggest
        lines = [f"{size / 1e6:10,.1f} MB  {printable(name)}" for name, size in biggest]
        packed = what == "packed bytes"
        super().__init__(
            f"The app is too large for a slug: {found:,} {what}, {limit:,} are allowed",
            details="The biggest directories:\n" + "\n".join(lines) if lines else "",
            resolution="Name what the app does not need at run time in .slugignore."
            + (f"\n\nOr allow more: slugc build --max-size {_next_size(found)}" if packed else ""),
        )


class TreeCrowdedError(SlugkitError):
    """More entries than a slug may hold; nobody looked further."""

    exit_code = ExitCode.DATA
    id = "tree-crowded"

    def __init__(self, limit: int, fullest: Sequence[tuple[bytes, int]]) -> None:
        self.limit, self.fullest = limit, tuple(fullest)
        lines = [f"{count:10,}  {printable(name)}" for name, count in fullest]
        super().__init__(
            f"The app is too large for a slug: it has more than {limit:,} files and directories",
            details="Most of those seen so far are in:\n" + "\n".join(lines),
            resolution="Name what the app does not need at run time in .slugignore.",
        )


def _next_size(found: int) -> str:
    """A size that is enough, as --max-size takes it."""
    return f"{-(-found * 5 // 4 // 1_000_000)}M"


def scan_tree(
    root: Path, limits: Limits, *, without: frozenset[TreePath] = frozenset()
) -> tuple[Entry, ...]:
    """Every entry below ``root``, directories before what they hold, names in byte order.

    The directories ``without`` are passed over with all they hold.
    """
    scanner = _Scanner(limits, without)
    descriptor = os.open(root, _DIRECTORY)
    try:
        scanner.walk(descriptor, ())
        entries = tuple(scanner.entries)
    finally:
        os.close(descriptor)
    if scanner.unreadable:
        raise UnreadableTreeError(tuple(scanner.unreadable))
    if scanner.refusals:
        raise UnpackableTreeError(tuple(scanner.refusals))
    check_size(entries, limits)
    return entries


def check_links(entries: Iterable[Entry]) -> None:
    """Refuse links that unpacking these entries, as one archive, would refuse."""
    kinds: dict[TreePath, MemberKind] = {(): MemberKind.DIRECTORY}
    targets: dict[TreePath, bytes] = {}
    for entry in entries:
        if entry.kind is MemberKind.DIRECTORY:  # of the rest only links count: files are many
            kinds[entry.path] = entry.kind
        elif entry.kind is MemberKind.SYMLINK:
            targets[entry.path] = entry.target
    if refusals := link_refusals(kinds, targets):
        raise UnpackableTreeError(refusals)


def check_size(entries: tuple[Entry, ...], limits: Limits) -> None:
    """Raise TreeTooLargeError when unpacking would."""
    total = sum(entry.size for entry in entries)
    if total > limits.unpacked:
        raise TreeTooLargeError("bytes", limits.unpacked, total, biggest(entries))


def biggest(entries: Iterable[Entry], count: int = 10) -> tuple[tuple[bytes, int], ...]:
    """The ``count`` largest directories of at most three levels, with their sizes."""
    sizes = Counter[bytes]()
    for entry in entries:
        if entry.size:
            sizes[_top(entry.path[:-1])] += entry.size
    return _most(sizes, count)


def _top(directory: TreePath) -> bytes:
    return b"/".join(directory[:3]) or b"."


def _most(sizes: Counter[bytes], count: int = 10) -> tuple[tuple[bytes, int], ...]:
    return tuple(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:count])


class _Scanner:
    """The walk, and what it found wrong on the way."""

    def __init__(self, limits: Limits, without: frozenset[TreePath]) -> None:
        self._limits = limits
        self._without = without
        self.entries: list[Entry] = []
        self.refusals: list[Refusal] = []
        self.unreadable: list[bytes] = []
        self._device = 0
        self._left = limits.entries

    def walk(self, directory: int, at: TreePath) -> None:
        with os.scandir(directory) as scanned:
            # No more than are allowed are ever held: a build may leave millions.
            few = islice(scanned, self._left + 1)
            found = sorted((os.fsencode(entry.name), entry) for entry in few)
        if len(found) > self._left:
            raise TreeCrowdedError(self._limits.entries, self._fullest(at, len(found)))
        self._left -= len(found)
        for name, entry in found:
            path = (*at, name)
            if reason := path_refusal(path, self._limits):
                self.refusals.append(Refusal(name=b"/".join(path), reason=reason))
            elif entry.is_dir(follow_symlinks=False):
                if path not in self._without:
                    self._below(directory, path)
            elif entry.is_symlink():
                self._link(path, entry.stat(follow_symlinks=False), directory)
            else:
                self._file(path, entry.stat(follow_symlinks=False))

    def _fullest(self, at: TreePath, here: int) -> tuple[tuple[bytes, int], ...]:
        counts = Counter(_top(entry.path[:-1]) for entry in self.entries)
        counts[_top(at)] += here
        return _most(counts)

    def _below(self, directory: int, path: TreePath) -> None:
        try:
            below = os.open(path[-1], _DIRECTORY, dir_fd=directory)
        except PermissionError:
            self.unreadable.append(b"/".join(path))
            return
        try:
            found = os.fstat(below)  # before its names are read: see buildpack.support.seals
            self.entries.append(_unsized(path, MemberKind.DIRECTORY, found))
            self.walk(below, path)
        finally:
            os.close(below)

    def _link(self, path: TreePath, found: os.stat_result, directory: int) -> None:
        target = os.readlink(path[-1], dir_fd=directory)
        self.entries.append(_unsized(path, MemberKind.SYMLINK, found, target))

    def _file(self, path: TreePath, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            self.refusals.append(Refusal(name=b"/".join(path), reason=_kind_of(found.st_mode)))
            return
        # Equal numbers are kept as one: with 200,000 files that is 12 MB.
        if found.st_dev != self._device:
            self._device = found.st_dev
        modified, changed = found.st_mtime_ns, found.st_ctime_ns
        self.entries.append(
            Entry(
                path,
                MemberKind.FILE,
                executable=bool(found.st_mode & stat.S_IXUSR),
                size=found.st_size,
                inode=found.st_ino,
                device=self._device,
                links=found.st_nlink,
                modified=modified,
                changed=modified if changed == modified else changed,
            )
        )


def _unsized(path: TreePath, kind: MemberKind, found: os.stat_result, target: bytes = b"") -> Entry:
    return Entry(path, kind, target, inode=found.st_ino, changed=found.st_ctime_ns)


_SPECIAL: Mapping[int, str] = {
    stat.S_IFIFO: "it is a FIFO",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a character device",
    stat.S_IFBLK: "it is a block device",
}


def _kind_of(mode: int) -> str:
    return _SPECIAL.get(stat.S_IFMT(mode), "it is not a regular file")
