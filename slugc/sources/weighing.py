"""How large a source is that is too large, and what in it is: for the words of the refusal."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from buildpack.support.values import value
from slugc.archive.limits import DEFAULT_LIMITS
from slugc.sources.copying import is_sparse, room_taken
from slugc.sources.slugignore import IgnoreRules

MOST_ENTRIES = 2_000_000  # then it is told that there are more
LEVELS = 3
SHOWN = 10
_LARGE = 1024 * 1024
_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@value
class Weight:
    """All that a build would copy, and the directories that hold most of it."""

    entries: int
    size: int
    is_whole: bool
    biggest: tuple[tuple[str, int, int], ...]
    """path, bytes, entries; by ``bytes`` or by ``entries``, whichever was asked for"""
    sparse: tuple[tuple[str, int, int], ...]
    """large files with holes: path, bytes, bytes on the disk"""


def weigh(source: Path, rules: IgnoreRules, *, by_entries: bool) -> Weight:
    """Look at everything ``rules`` leave in, without reading a file."""
    scales = _Scales(rules)
    descriptor = os.open(source, _DIR & ~os.O_NOFOLLOW)
    try:
        scales.add(descriptor, "", ())
    finally:
        os.close(descriptor)
    rows = [(path, size, count) for path, (size, count) in scales.directories.items()]
    rows.sort(key=lambda row: (-(row[2] if by_entries else row[1]), row[0]))
    return Weight(
        entries=scales.entries,
        size=scales.size,
        is_whole=scales.entries < MOST_ENTRIES,
        biggest=tuple(rows[:SHOWN]),
        sparse=tuple(sorted(scales.sparse, key=lambda row: -row[1])[:SHOWN]),
    )


class _Scales:
    def __init__(self, rules: IgnoreRules) -> None:
        self.rules = rules
        self.entries = self.size = 0
        self.directories: dict[str, tuple[int, int]] = {}
        self.sparse: list[tuple[str, int, int]] = []

    def add(self, directory: int, below: str, parents: tuple[str, ...]) -> None:
        with os.scandir(directory) as scanned:
            for entry in scanned:
                path = f"{below}{entry.name}"
                is_dir = entry.is_dir(follow_symlinks=False)
                if self.entries >= MOST_ENTRIES:
                    return
                if entry.name != ".git" and not self.rules.ignores(path, is_dir=is_dir):
                    self._add_entry(entry, path, parents, directory)

    def _add_entry(
        self, entry: os.DirEntry[str], path: str, parents: tuple[str, ...], directory: int
    ) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return  # gone, or not ours to look at: it weighs nothing here
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self.entries += 1
        self.size += size
        for parent in parents or (".",):
            known = self.directories.get(parent, (0, 0))
            self.directories[parent] = known[0] + size, known[1] + 1
        if size > _LARGE and is_sparse(status):
            self.sparse.append((path, size, room_taken(status)))
        if stat.S_ISDIR(status.st_mode) and len(path.split("/")) < DEFAULT_LIMITS.depth:
            self._add_below(entry.name, path, parents, directory)

    def _add_below(self, name: str, path: str, parents: tuple[str, ...], directory: int) -> None:
        try:
            below = os.open(name, _DIR, dir_fd=directory)
        except OSError:
            return  # as above
        try:
            more = (path,) if len(parents) < LEVELS else ()
            self.add(below, f"{path}/", (*parents, *more))
        finally:
            os.close(below)
