"""Writing a tree through directory descriptors: no path of more than one name reaches the kernel.

Every open is O_NOFOLLOW and every creation O_EXCL, so nothing that is already there, or is put
there meanwhile, is followed or overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Self

from slugc.archive.directories import DirectoryStack

TreePath = tuple[bytes, ...]
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1024 * 1024


class TreeWriter:
    """Makes files below one directory."""

    def __init__(self, root: str | os.PathLike[str] | int) -> None:
        self._directories = DirectoryStack(root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._directories.__exit__(kind, error, trace)

    def make_dir(self, path: TreePath) -> None:
        """Make a directory that is not there yet; its parent is."""
        parent = self._directories.enter(path[:-1])
        os.mkdir(path[-1], 0o755, dir_fd=parent)
        os.chmod(path[-1], 0o755, dir_fd=parent)  # whatever the umask

    def write_file(
        self, path: TreePath, *, content: Callable[[int], bytes], executable: bool
    ) -> None:
        """Make a regular file from what ``content(count)`` gives until it gives nothing."""
        descriptor = os.open(path[-1], _NEW_FILE, 0o600, dir_fd=self._directories.enter(path[:-1]))
        try:
            while chunk := content(_CHUNK):
                _write_all(descriptor, chunk)
            os.fchmod(descriptor, 0o755 if executable else 0o644)
        finally:
            os.close(descriptor)

    def hard_link(self, path: TreePath, target: TreePath) -> None:
        """Give the regular file ``target``, made earlier, a second name."""
        source = os.dup(self._directories.enter(target[:-1]))
        try:
            parent = self._directories.enter(path[:-1])
            os.link(
                target[-1], path[-1], src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False
            )
        finally:
            os.close(source)

    def symlink(self, path: TreePath, target: bytes) -> None:
        """Make a symbolic link."""
        os.symlink(target, path[-1], dir_fd=self._directories.enter(path[:-1]))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
