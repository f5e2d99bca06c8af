"""Measuring and deleting trees that nobody vouches for.

A build can leave anything: links, directories without rights, a hundred thousand levels of them.
Every directory is opened from the one above, never through a link, so nothing outside is touched,
whoever changes the tree meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import stat

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 512  # bytes that st_blocks counts, whatever the file system's blocks are
_DEEPEST = 48  # directories open at once; a process may be allowed few


def open_dir(name: str | bytes, at: int | None = None) -> int:
    """A directory, opened without following a link."""
    return os.open(name, _DIR, dir_fd=at)


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


def delete(name: str | bytes, at: int, *, tolerant: bool = False) -> None:
    """Remove whatever is at ``name``. Missing is fine, and so is somebody else deleting it too.

    ``tolerant`` leaves what we have no right to remove, without a word.
    """
    with contextlib.ExitStack() as stack:
        if tolerant:
            stack.enter_context(contextlib.suppress(OSError))
        _delete(name, at, tolerant)


def _delete(name: str | bytes, at: int, tolerant: bool) -> None:
    try:
        os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        top = _enter(name, at)
        if top is None:
            return
        try:
            # What lies too deep is moved up here, and found in the next round.
            while _empty(top, top, 0, tolerant):
                pass
        finally:
            os.close(top)
        _remove_dir(name, at)


def _empty(directory: int, top: int, depth: int, tolerant: bool) -> bool:
    """Delete what is in ``directory``; True if something was moved to ``top`` instead."""
    moved = False
    for name in os.listdir(directory):
        try:
            moved |= _drop(name, directory, top, depth, tolerant)
        except OSError:
            if not tolerant:
                raise
    return moved


def _drop(name: str, at: int, top: int, depth: int, tolerant: bool) -> bool:
    try:
        os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError):
        inner = _enter(name, at)
        if inner is None:
            return False
        try:
            if depth == _DEEPEST:
                os.rename(name, f".deep-{os.urandom(8).hex()}", src_dir_fd=at, dst_dir_fd=top)
                return True
            moved = _empty(inner, top, depth + 1, tolerant)
        finally:
            os.close(inner)
        _remove_dir(name, at)
        return moved
    return False


def _enter(name: str | bytes, at: int) -> int | None:
    """The directory, open and with every right its owner can have; None if it is gone."""
    try:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    except FileNotFoundError:
        return None
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if mode & 0o700 != 0o700:
            # By this name it is the directory we hold, even if another one has its place by now.
            os.chmod(f"/proc/self/fd/{handle}", mode | 0o700)  # noqa: PTH101
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(handle)


def _remove_dir(name: str | bytes, at: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=at)
