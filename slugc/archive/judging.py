"""An archive judged as if it were unpacked, and nothing written: what ``slugc verify`` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from slugc.archive.headers import MemberKind
from slugc.archive.judge import TreePath
from slugc.archive.limits import Limits
from slugc.archive.plain_stream import Readable
from slugc.archive.strict import StrictArchive
from slugc.archive.tree import TreeWriter

_NOWHERE = "/"  # the others' checks ask for a directory, and look at no file below it
_PIECE = 1024 * 1024


def judge_archive(
    stream: Readable,
    *,
    limits: Limits,
    root: str,
    ends: bool,
    watch: Callable[[bytes], object] | None = None,
) -> Mapping[TreePath, MemberKind]:
    """What the archive holds below ``root``; raises ArchiveError for what ``extract`` refuses."""
    archive = _Judged(stream, limits=limits, root=root, ends=ends, watch=watch)
    return archive.judged()


class _Judged(StrictArchive):
    """Takes every step of unpacking but the writing."""

    def judged(self) -> Mapping[TreePath, MemberKind]:
        with _NoTree() as tree:
            for member, reader in self._members():
                self._unpack(member, reader, tree, _NOWHERE)
            self._check_links(_NOWHERE)
        return self._kinds


class _NoTree(TreeWriter):
    """Writes nothing; reads what a file would hold, so that the stream goes on behind it."""

    def __init__(self) -> None:
        """No directory is opened, so the base has nothing to begin with."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing was opened."""

    def make_dir(self, path: TreePath) -> None:
        """Judged already."""

    def write_file(
        self, path: TreePath, *, content: Callable[[int], bytes], executable: bool
    ) -> None:
        while content(_PIECE):
            pass

    def hard_link(self, path: TreePath, target: TreePath) -> None:
        """Judged already."""

    def symlink(self, path: TreePath, target: bytes) -> None:
        """Judged already."""
