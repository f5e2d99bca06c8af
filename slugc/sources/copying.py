"""Copies one file of a source, through open directories, and notices who writes to it meanwhile."""

from __future__ import annotations

import errno
import os
import stat

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 512  # of st_blocks, whatever the file system's own are: stat(2)
_AT_ONCE = 1 << 24

# What opening something says that was a plain file a moment ago: a link, a FIFO or a socket, a
# directory or a file in a directory's place.
_NO_LONGER = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENOTDIR})


class ChangedMeanwhileError(Exception):
    """What was looked at is not what is there any more."""


def open_to_read(name: str, directory: int, flags: int = _READ) -> int:
    """A descriptor of what is called ``name``. Raises ChangedMeanwhileError or PermissionError."""
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as err:
        if err.errno in _NO_LONGER:
            raise ChangedMeanwhileError(name) from err
        raise


def copy_file(name: str, source: int, target: int, seen: os.stat_result) -> int:
    """Copy the regular file ``seen`` was said of; a descriptor of the copy, still to be closed.

    The copy is 0755 or 0644, takes no attributes along, and is as sparse as the file. Times are
    left as they come: were they all the same, a later build could take a new file of the same
    size for the old one.
    """
    reader = open_to_read(name, source)
    try:
        before = os.fstat(reader)
        if not stat.S_ISREG(before.st_mode) or before.st_ino != seen.st_ino:
            raise ChangedMeanwhileError(name)
        # The owner's bit decides, as in git: of an access control list, the group's are its mask.
        mode = 0o755 if before.st_mode & stat.S_IXUSR else 0o644
        writer = os.open(name, _WRITE, mode, dir_fd=target)
        try:
            copied = _pour(reader, writer, before)
            after = os.fstat(reader)
            if copied != after.st_size or _stamp(before) != _stamp(after):
                raise ChangedMeanwhileError(name)
        except BaseException:  # Ctrl-C too: nobody else knows what is open
            os.close(writer)
            raise
        return writer
    finally:
        os.close(reader)


def is_sparse(status: os.stat_result) -> bool:
    """Whether a file takes less room than it has bytes."""
    return status.st_blocks * _BLOCK < status.st_size


def room_taken(status: os.stat_result) -> int:
    """Bytes on the disk."""
    return status.st_blocks * _BLOCK


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _pour(reader: int, writer: int, status: os.stat_result) -> int:
    """Copy to the end inside the kernel; the count of bytes. Stops soon after the size it had."""
    if is_sparse(status):
        return _pour_sparse(reader, writer, status.st_size)
    return _pour_part(reader, writer, status.st_size)


def _pour_part(reader: int, writer: int, size: int) -> int:
    copied = 0
    while copied <= size:
        count = os.sendfile(writer, reader, None, _AT_ONCE)
        if count == 0:
            break
        copied += count
    return copied


def _pour_sparse(reader: int, writer: int, size: int) -> int:
    """Copy what there is between the holes; the size, if that was all."""
    at = 0
    while (begins := _next_data(reader, at)) is not None and begins < size:
        ends = min(os.lseek(reader, begins, os.SEEK_HOLE), size)
        os.lseek(reader, begins, os.SEEK_SET)
        os.lseek(writer, begins, os.SEEK_SET)
        at = begins
        while at < ends:
            count = os.sendfile(writer, reader, None, min(_AT_ONCE, ends - at))
            if count == 0:
                return at
            at += count
    os.ftruncate(writer, size)
    return os.lseek(reader, 0, os.SEEK_END)


def _next_data(reader: int, at: int) -> int | None:
    try:
        return os.lseek(reader, at, os.SEEK_DATA)
    except OSError as err:
        if err.errno == errno.ENXIO:  # nothing but a hole is left
            return None
        raise
