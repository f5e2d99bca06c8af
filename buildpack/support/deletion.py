"""Deleting trees that nobody vouches for.

A build can leave anything: links, directories without rights, a hundred thousand levels of them.
Every directory is opened from the one above, never through a link, so nothing outside is touched,
whoever changes the tree meanwhile; and no right is changed but of directories inside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 48  # directories open at once; a process may be allowed few
_ROUNDS = 3  # of emptying a directory into which somebody goes on writing


def open_dir(name: str | bytes, at: int | None = None) -> int:
    """A directory, opened without following a link."""
    return os.open(name, _DIR, dir_fd=at)


def remove_tree(path: Path) -> None:
    """Delete a file or a tree, whatever modes its directories carry. Missing is fine.

    Raises OSError where something in it cannot be deleted.
    """
    try:
        parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        delete(path.name, parent)
    finally:
        os.close(parent)


def delete(name: str | bytes, at: int, *, tolerant: bool = False) -> None:
    """Remove whatever is at ``name``. Missing is fine, and so is somebody else deleting it too.

    ``tolerant`` leaves what we have no right to remove, without a word.
    """
    with contextlib.ExitStack() as stack:
        if tolerant:
            stack.enter_context(contextlib.suppress(OSError))
        _delete(name, at, tolerant)


def _delete(name: str | bytes, at: int, tolerant: bool) -> None:
    for last in (False,) * (_ROUNDS - 1) + (True,):
        top = _unlink_or_enter(name, at)
        if top is None:
            return
        try:
            # What lies too deep is moved up here, and found in the next round.
            while _empty(top, top, 0, tolerant):
                pass
        finally:
            os.close(top)
        try:
            _remove_dir(name, at)
        except OSError as error:
            if last or error.errno != errno.ENOTEMPTY:
                raise


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
    inner = _unlink_or_enter(name, at)
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


def _unlink_or_enter(name: str | bytes, at: int) -> int | None:
    """Delete what is no directory; a directory is opened, for what is in it to go first."""
    try:
        os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        return None
    except (IsADirectoryError, PermissionError) as refused:
        try:
            return _enter(name, at)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise refused from None
    return None


def _enter(name: str | bytes, at: int) -> int:
    """The directory, open and with every right its owner can have."""
    try:
        handle = open_dir(name, at)
    except PermissionError:
        handle = _enter_forbidden(name, at)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            os.fchmod(handle, mode | stat.S_IRWXU)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _enter_forbidden(name: str | bytes, at: int) -> int:
    """A directory that its owner may not read, readable and open."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        # By this name it is the directory we hold, even if another one has its place by now.
        os.chmod(f"/proc/self/fd/{handle}", mode | stat.S_IRWXU)  # noqa: PTH101
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(handle)


def _remove_dir(name: str | bytes, at: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=at)
