"""Where a layer is cut into frames: decided by its tree alone, so that like trees are cut alike.

A frame is compressed on its own and copied as long as nothing in it changes. So what changes
together belongs into one frame, and little of anything else: each distribution in site-packages,
each package in node_modules. We know neither name. Directories that are too large for one frame
are split into what lies in them; each part of some size is a frame, and the small ones follow each
other in frames of their own, which end where a hash of a name says so: one part more or less moves
no other boundary but its neighbours'.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from slugc.archive.headers import MemberKind, padding_of
from slugc.archive.judge import TreePath
from slugc.archive.limits import BLOCK
from slugc.archive.scan import Entry

# Measured on an app of 45 distributions (docs/slug-format.md): smaller parts make the index
# longer and the slug larger, larger ones make a small change cost more.
PART = 256 * 1024  # from this size on, a part of a split directory is a frame of its own
PARTS = 1024  # of a large layer, at most about as many: its parts are larger then
SPLIT = 64  # parts: a larger directory is split
GROUP = 4, 16  # parts: small ones together, at least and at most
ENDS = 8  # after the least, one small part of so many ends its group


def cut_layer(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], ...]:
    """The entries of each frame. First the small parts, split directories among them; then each
    large one; both in packing order. So a directory is always before what it holds."""
    sizes = _tree_sizes(entries)
    least = _part_size(sum(map(tar_size, entries)))
    groups, large = _Groups(least), []
    for members in _parts(entries, sizes, split=least * SPLIT):
        size = sum(map(tar_size, members))
        if size >= least:
            large.append(tuple(members))
        else:
            groups.add(members, size)
    return (*groups.finished(), *large) or ((),)


def tar_size(entry: Entry) -> int:
    """How many tar bytes an entry takes, long names apart."""
    if entry.kind is not MemberKind.FILE:
        return BLOCK
    return BLOCK + entry.size + padding_of(entry.size)


def _part_size(layer_size: int) -> int:
    """A power of two, so that a layer that grows is seldom cut anew."""
    size = PART
    while size * PARTS < layer_size:
        size *= 2
    return size


def _tree_sizes(entries: Sequence[Entry]) -> dict[TreePath, int]:
    """The size of each directory with all it holds; what it holds comes after it."""
    sizes: dict[TreePath, int] = {}
    for entry in reversed(entries):
        path, size = entry.path, tar_size(entry)
        if entry.kind is MemberKind.DIRECTORY:
            size += sizes.get(path, 0)
            sizes[path] = size
        above = path[:-1]
        sizes[above] = sizes.get(above, 0) + size
    return sizes


def _parts(
    entries: Iterable[Entry], sizes: Mapping[TreePath, int], *, split: int
) -> Iterator[list[Entry]]:
    """What stays together: a file, a directory with all it holds, or a split one alone."""
    members: list[Entry] = []
    top: TreePath | None = None  # the directory whose content is taken along
    for entry in entries:
        if top is not None and entry.path[: len(top)] == top:
            members.append(entry)
            continue
        if members:
            yield members
        members = [entry]
        whole = entry.kind is MemberKind.DIRECTORY and sizes[entry.path] <= split
        top = entry.path if whole else None
    if members:
        yield members


class _Groups:
    """Small parts that follow each other, in groups."""

    def __init__(self, part_size: int) -> None:
        self._least, self._most = (part_size * count for count in GROUP)
        self._groups: list[tuple[Entry, ...]] = []
        self._group: list[Entry] = []
        self._size = 0

    def add(self, members: Sequence[Entry], size: int) -> None:
        path = b"/".join(members[0].path)
        is_end = self._size >= self._least and zlib.crc32(path) % ENDS == 0
        if is_end or self._size + size > self._most:
            self._close()
        self._group.extend(members)
        self._size += size

    def finished(self) -> Sequence[tuple[Entry, ...]]:
        self._close()
        return self._groups

    def _close(self) -> None:
        if self._group:
            self._groups.append(tuple(self._group))
        self._group, self._size = [], 0
