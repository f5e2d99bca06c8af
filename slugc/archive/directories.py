"""Open directories on the way to where something is read or written."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class DirectoryStack:
    """Descriptors from a root down to one directory, each opened in the one above it.

    No path of more than one name reaches the kernel and no link is followed. Going on to a
    neighbour costs one open, so walk in sorted order.
    """

    def __init__(self, root: str | os.PathLike[str] | int) -> None:
        """``root`` is a directory's path, or a descriptor of it, which stays the caller's."""
        first = os.dup(root) if isinstance(root, int) else os.open(root, _DIRECTORY)
        self._open: list[tuple[bytes, int]] = [(b"", first)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_down_to(0)

    def enter(self, directory: tuple[bytes, ...]) -> int:
        """A descriptor of ``directory``, good until the next call."""
        common = 0
        for (name, _), wanted in zip(self._open[1:], directory, strict=False):
            if name != wanted:
                break
            common += 1
        self._close_down_to(common + 1)
        for name in directory[common:]:
            self._open.append((name, os.open(name, _DIRECTORY, dir_fd=self._open[-1][1])))
        return self._open[-1][1]

    def _close_down_to(self, count: int) -> None:
        while len(self._open) > count:
            os.close(self._open.pop()[1])
