"""StrictArchive: a TarSafe whose parsing, judging and writing are our own.

tarfile's and tarsafe's records (CVE-2007-4559 to CVE-2026-114583) say that no tar filter is a wall
by itself, so our reader decides; tarsafe's checks and, where this Python has it, the standard
library's data filter are asked as well and may only refuse.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from tarsafe import TarSafe  # type: ignore[import-untyped]  # it ships no types

from buildpack.support.values import value
from slugc.archive.errors import ArchiveDamagedError, ArchiveLimitError, UnsafeMemberError
from slugc.archive.headers import Member, MemberKind
from slugc.archive.judge import TreePath, link_refusals, path_refusal, split_path
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.members import HOLDS_NOTHING, MemberReader
from slugc.archive.plain_stream import DamagedStreamError, PlainStream, Readable, StreamLimitError
from slugc.archive.tree import TreeWriter

_DATA_FILTER = getattr(tarfile, "data_filter", None)  # Debian 12's Python 3.11.2 has none
_TYPES = {
    MemberKind.FILE: tarfile.REGTYPE,
    MemberKind.DIRECTORY: tarfile.DIRTYPE,
    MemberKind.SYMLINK: tarfile.SYMTYPE,
    MemberKind.HARD_LINK: tarfile.LNKTYPE,
}


@value
class Contents:
    """How much an archive held."""

    entries: int
    size: int


class StrictArchive(TarSafe):  # type: ignore[misc]  # its base is untyped
    """An archive being unpacked, once, from a stream. Errors are TarSafeExceptions too.

    ``root`` is the directory inside the archive whose content is wanted, and outside which
    nothing may lie; empty for all of it.
    """

    if _DATA_FILTER is not None:
        extraction_filter = staticmethod(_DATA_FILTER)

    def __init__(
        self,
        fileobj: Readable,
        *,
        limits: Limits = DEFAULT_LIMITS,
        root: str = "",
        ends: bool = True,
        watch: Callable[[bytes], object] | None = None,
    ) -> None:
        # TarFile.__init__ would parse the first header in its own way, so it is not called.
        self.fileobj = fileobj
        self.name = None
        self.mode, self._mode = "r", "rb"
        self.closed = False
        self.directory = "/"
        self._limits = limits
        self._root: TreePath = tuple(os.fsencode(root).split(b"/")) if root else ()
        self._ends = ends
        self._watch = watch
        self._kinds: dict[TreePath, MemberKind] = {(): MemberKind.DIRECTORY}
        self._targets: dict[TreePath, bytes] = {}
        self._unpacked = 0
        self._entries = 0

    @classmethod
    def open(
        cls, name: str | os.PathLike[str], mode: str = "r", fileobj: BinaryIO | None = None
    ) -> StrictArchive:
        """What code written for tarsafe calls."""
        if mode not in {"r", "r:*", "r|*"}:
            raise tarfile.ReadError(f"StrictArchive reads streams only, not with mode {mode!r}")
        return cls(fileobj or Path(name).open("rb"))

    @property
    def contents(self) -> Contents:
        """What was unpacked so far."""
        return Contents(entries=self._entries, size=self._unpacked)

    def extractall(self, path: str | os.PathLike[str] | int = ".") -> None:
        """Unpack everything into the directory ``path``, or raise ArchiveError.

        It may be an open one. What was made before an error stays: give it a directory of its own
        and drop that.
        """
        at = f"/proc/self/fd/{path}" if isinstance(path, int) else os.fspath(path)
        with TreeWriter(path) as tree:
            for member, reader in self._members():
                self._unpack(member, reader, tree, at)
            self._check_links(at)
            for link, target in self._targets.items():
                tree.symlink(link, target)

    def extract(self, *_arguments: object, **_named: object) -> None:
        """Refused: a single member cannot be judged without the others."""
        raise NotImplementedError("StrictArchive unpacks whole archives: use extractall()")

    def next(self) -> None:
        """Refused: members are parsed by our reader, inside ``extractall``."""
        raise NotImplementedError("StrictArchive unpacks whole archives: use extractall()")

    def close(self) -> None:
        """Close the stream."""
        if not self.closed:
            self.closed = True
            if isinstance(self.fileobj, io.IOBase):
                self.fileobj.close()

    def _members(self) -> Iterator[tuple[Member, MemberReader]]:
        try:
            stream = PlainStream(self.fileobj, self._limits, watch=self._watch)
        except StreamLimitError as err:
            raise ArchiveLimitError(err.what, err.limit, err.found) from err
        except DamagedStreamError as err:
            raise ArchiveDamagedError(str(err), 0) from err
        reader = MemberReader(stream, ends=self._ends)
        while (member := reader.next()) is not None:
            self._count_entry()
            yield member, reader
        if not self._entries:
            raise reader.damaged(HOLDS_NOTHING)

    def _unpack(self, member: Member, reader: MemberReader, tree: TreeWriter, at: str) -> None:
        path = self._path_of(member.name, member)
        if not path:
            if member.kind is not MemberKind.DIRECTORY:
                raise UnsafeMemberError(member.name, "it would replace the whole tree")
            return
        if member.kind is MemberKind.DIRECTORY and self._kinds.get(path) is MemberKind.DIRECTORY:
            return
        self._check_place(member, path, tree)
        self._kinds[path] = member.kind
        if member.kind is not MemberKind.SYMLINK:  # those are judged when all are known
            self._ask_others(member.kind, path, member.target, at)
        match member.kind:
            case MemberKind.DIRECTORY:
                tree.make_dir(path)
            case MemberKind.FILE:
                self._count_bytes(member.size)
                executable = bool(member.mode & 0o100)
                tree.write_file(path, content=reader.content, executable=executable)
            case MemberKind.HARD_LINK:
                tree.hard_link(path, self._earlier_file(member))
                self._kinds[path] = MemberKind.FILE
            case MemberKind.SYMLINK:
                self._targets[path] = member.target

    def _path_of(self, name: bytes, member: Member) -> TreePath:
        """Where ``name`` comes to lie under the destination."""
        parts = split_path(name)
        if isinstance(parts, str):
            raise UnsafeMemberError(member.name, parts)
        if self._root:
            if parts == self._root[: len(parts)] and member.kind is MemberKind.DIRECTORY:
                return ()
            if parts[: len(self._root)] != self._root:
                inside = b"/".join(self._root).decode()
                raise UnsafeMemberError(member.name, f"it lies outside ./{inside}/")
            parts = parts[len(self._root) :]
        if reason := path_refusal(parts, self._limits):
            raise UnsafeMemberError(member.name, reason)
        if parts and name.endswith(b"/") and member.kind is not MemberKind.DIRECTORY:
            raise UnsafeMemberError(member.name, f"it is a {member.kind} with a directory's name")
        return parts

    def _check_place(self, member: Member, path: TreePath, tree: TreeWriter) -> None:
        """Nothing lies there yet, and directories lead to it; those not named are made."""
        if path in self._kinds:
            raise UnsafeMemberError(member.name, "another member has the same name")
        for depth in range(1, len(path)):
            kind = self._kinds.get(path[:depth])
            if kind is None:
                self._count_entry()
                self._kinds[path[:depth]] = MemberKind.DIRECTORY
                tree.make_dir(path[:depth])
            elif kind is not MemberKind.DIRECTORY:
                raise UnsafeMemberError(member.name, f"it lies below a {kind}")

    def _earlier_file(self, member: Member) -> TreePath:
        target = self._path_of(member.target, member)
        if self._kinds.get(target) is not MemberKind.FILE:
            raise UnsafeMemberError(member.name, "it is a hard link to no earlier file")
        return target

    def _count_entry(self) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise ArchiveLimitError("entries", self._limits.entries, self._entries)

    def _count_bytes(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > self._limits.unpacked:
            raise ArchiveLimitError("bytes", self._limits.unpacked, self._unpacked)

    def _check_links(self, at: str) -> None:
        for refusal in link_refusals(self._kinds, self._targets):
            raise UnsafeMemberError(refusal.name, refusal.reason)
        for path, target in self._targets.items():
            self._ask_others(MemberKind.SYMLINK, path, target, at)

    def _ask_others(self, kind: MemberKind, path: TreePath, target: bytes, at: str) -> None:
        """The second opinion: tarsafe's own checks, and the data filter's on links."""
        info = tarfile.TarInfo(os.fsdecode(b"/".join(path)))
        info.type = _TYPES[kind]
        if kind is MemberKind.SYMLINK:
            # tarsafe resolves a link from the root instead of the link's directory, which
            # refuses honest links (its `a/link -> ../file`); so it gets the path from the root.
            info.linkname = os.fsdecode(b"/".join((*path[:-1], target)))
        elif kind is MemberKind.HARD_LINK:
            info.linkname = os.fsdecode(target)
        if (
            self._is_traversal_attempt(info, at)
            or self._is_unsafe_symlink(info, at)
            or self._is_unsafe_link(info, at)
            or self._is_device(info)
        ):
            raise UnsafeMemberError(b"/".join(path), "tarsafe refuses it")
        if kind is MemberKind.SYMLINK and _DATA_FILTER is not None:
            info.linkname = os.fsdecode(target)
            try:
                _DATA_FILTER(info, at)
            except tarfile.TarError as err:
                raise UnsafeMemberError(b"/".join(path), f"Python's filter: {err}") from err
