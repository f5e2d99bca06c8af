"""Files that are whole or absent, trees that are not copied.

Publication is: temporary name, fsync, rename, fsync of the directory; ``write_whole`` leaves the
syncs out. A tree on the path a person waits for is renamed aside, never deleted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.deletion import remove_tree


def kind_of(path: Path) -> str:
    """What lies there in the place of a regular file, in words; a link is not followed."""
    mode = path.lstat().st_mode
    kinds = (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((words for is_kind, words in kinds if is_kind(mode)), "a device")


def fsync_dir(directory: Path) -> None:
    """Make the names in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def publishing(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Write a file under a temporary name in the same directory; it appears whole or not at all."""
    with _temporary_beside(path) as temporary:
        yield temporary
        # By its descriptor: the directory may be somebody else's, who puts a link at that name.
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        fsync_dir(path.parent)


@contextlib.contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    require_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def require_replaceable(path: Path) -> None:
    """Raise OSError where a file would take the place of a device, a FIFO or a socket: root who
    gives /dev/null as an output would end that of the whole machine."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing is there; or there is no way there, which who writes is told
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        raise FileExistsError(errno.EEXIST, "It is no regular file", str(path))


def write_atomically(path: Path, content: bytes | str, *, mode: int = 0o644) -> None:
    """Replace ``path`` with ``content``; readers see the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    with publishing(path, mode=mode) as temporary, _naming(path), temporary.open("xb") as file:
        file.write(data)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """A write that fails does not say where, and of several disks only one is full."""
    try:
        yield
    except OSError as err:
        if err.filename is None:
            err.filename = str(path)
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """As ``write_atomically``, but not to outlast a power cut: for what lies among files that no
    one syncs, or is doubted when it is read. A sync waits for all that was linked before it."""
    data = content.encode() if isinstance(content, str) else content
    with _temporary_beside(path) as temporary:
        with _naming(path), temporary.open("xb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        temporary.replace(path)


@contextlib.contextmanager
def publishing_dir(path: Path) -> Iterator[Path]:
    """Fill a directory under a temporary name; it appears complete or not at all.

    Somebody else publishing the same path first is not an error: theirs is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        temporary.mkdir()  # a signal may come while a slow disk is making it
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
        fsync_dir(path.parent)
    finally:
        if temporary.exists():
            remove_tree(temporary)


def link_tree(source: Path, target: Path) -> list[bytes]:
    """Give ``target`` the files of ``source`` as hard links (copies across file systems).

    17,000 files cost about a quarter of a second; a copy costs three times that. Returns the
    directories that were made below ``target``, as paths relative to it.
    """
    target.mkdir(parents=True, exist_ok=True)
    source_fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    target_fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    made: list[bytes] = []
    try:
        _link_entries(source_fd, target_fd, b"", made)
    finally:
        os.close(source_fd)
        os.close(target_fd)
    return made


def _link_entries(source_fd: int, target_fd: int, below: bytes, made: list[bytes]) -> None:
    with os.scandir(source_fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(entry.name, 0o755, dir_fd=target_fd)
                made.append(path := below + os.fsencode(entry.name))
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                inner = os.open(entry.name, flags, dir_fd=source_fd)
                beside = os.open(entry.name, flags, dir_fd=target_fd)
                try:
                    _link_entries(inner, beside, path + b"/", made)
                finally:
                    os.close(inner)
                    os.close(beside)
            else:
                _link_entry(entry.name, source_fd, target_fd)


def _link_entry(name: str, source_fd: int, target_fd: int) -> None:
    try:
        os.link(name, name, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
    except OSError as err:
        # Another file system, a kernel that protects hard links to other people's files, or a
        # file system that has none: a copy means the same to the reader.
        if err.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
            raise
        import shutil

        shutil.copy2(
            f"/proc/self/fd/{source_fd}/{name}",
            f"/proc/self/fd/{target_fd}/{name}",
            follow_symlinks=False,
        )


def find_program(name: str, path: str) -> str | None:
    """The first ``name`` on ``path`` that may be run.

    Not shutil.which: with that come five archive formats, 2 ms before a container starts.
    """
    for directory in filter(None, path.split(os.pathsep)):
        program = os.path.join(directory, name)  # noqa: PTH118 - for text, on a hot path
        if os.path.isfile(program) and os.access(program, os.X_OK):  # noqa: PTH113
            return program
    return None
