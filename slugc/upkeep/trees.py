"""Measuring trees that nobody vouches for: each directory is opened from the one above, never
through a link, whoever changes the tree meanwhile."""

from __future__ import annotations

import contextlib
import os
import stat

from buildpack.support.deletion import open_dir

_BLOCK = 512  # bytes that st_blocks counts, whatever the file system's blocks are
_DEEPEST = 48  # directories open at once; a process may be allowed few


def usage(name: str | bytes, at: int) -> int:
    """Bytes on the disk of everything at ``name``; files with several names count once."""
    seen: set[tuple[int, int]] = set()
    try:
        return _usage(name, at, seen, 0)
    except FileNotFoundError:
        return 0


def _usage(name: str | bytes, at: int, seen: set[tuple[int, int]], depth: int) -> int:
    status = os.stat(name, dir_fd=at, follow_symlinks=False)
    size = status.st_blocks * _BLOCK
    if not stat.S_ISDIR(status.st_mode):
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in seen:
            return 0
        seen.add(key)
        return size
    if depth > _DEEPEST:
        return size  # no app is as deep; what hides there goes uncounted, not undeleted
    try:
        directory = open_dir(name, at)
    except OSError:
        return size  # no right to look into it
    try:
        for entry in os.listdir(directory):  # noqa: PTH208  # of what we hold, not of a name
            with contextlib.suppress(FileNotFoundError):
                size += _usage(entry, directory, seen, depth + 1)
    finally:
        os.close(directory)
    return size
