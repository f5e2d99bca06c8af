"""Members of a tar stream, one after the other, to its true end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from slugc.archive.errors import ArchiveDamagedError, ArchiveLimitError, UnsafeMemberError
from slugc.archive.headers import (
    Extension,
    HeaderError,
    Member,
    MemberKind,
    RefusedKindError,
    combine,
    padding_of,
    parse_global,
    parse_header,
    parse_long,
    parse_pax,
)
from slugc.archive.limits import BLOCK
from slugc.archive.plain_stream import DamagedStreamError, PlainStream, StreamLimitError

MAX_EXTENSION = 64 * 1024
MAX_EXTENSIONS_IN_A_ROW = 8
MAX_PADDING = 1024 * 1024  # a hundred records of tar's usual size
HOLDS_NOTHING = "it holds nothing"
_ZEROS = bytes(BLOCK)

T = TypeVar("T")


class MemberReader:
    """Reads members. With ``ends`` the stream must close with two end blocks and only zeros
    after them; without, as in one layer of a slug, it must stop right after a member."""

    def __init__(self, stream: PlainStream, *, ends: bool) -> None:
        self._stream = stream
        self._ends = ends
        self._content_left = 0
        self._padding = 0

    def next(self) -> Member | None:
        """The next member, or None at the end of the archive."""
        self._skip_content()
        extensions: dict[Extension, bytes] = {}
        for _ in range(MAX_EXTENSIONS_IN_A_ROW + 1):
            block = self._header_block(expected=bool(extensions))
            if block is None:
                return None
            try:
                header = parse_header(block)
                if isinstance(header.kind, MemberKind):
                    return self._begin(combine(header, extensions))
                content = self._extension(header.size)
                if header.kind is Extension.PAX_GLOBAL:
                    parse_global(content)
                elif header.kind in extensions:
                    raise HeaderError("a member has the same extension header twice")
                else:
                    extensions[header.kind] = _checked(header.kind, content)
            except HeaderError as err:
                raise self.damaged(str(err)) from err
            except RefusedKindError as err:
                raise UnsafeMemberError(err.name, f"it is {err.what}") from err
        raise self.damaged(f"more than {MAX_EXTENSIONS_IN_A_ROW} extension headers in a row")

    def content(self, count: int) -> bytes:
        """Up to ``count`` bytes of the current member; empty when it has no more."""
        wanted = min(count, self._content_left)
        data = self._read(wanted)
        self._content_left -= wanted
        return data

    def damaged(self, reason: str) -> ArchiveDamagedError:
        """The error for what was found here."""
        return ArchiveDamagedError(reason, self._stream.tell())

    def _begin(self, member: Member) -> Member:
        if member.kind is not MemberKind.FILE and member.size:
            raise HeaderError(f"a {member.kind} has content")
        self._content_left = member.size
        self._padding = padding_of(member.size)
        return member

    def _header_block(self, *, expected: bool) -> bytes | None:
        block = self._some(BLOCK)
        if not block and not self._ends and not expected:
            return None
        if len(block) != BLOCK:
            raise self.damaged("it is cut short")
        if block != _ZEROS:
            return block
        if expected or not self._ends:
            raise self.damaged("an end block where a member should be")
        if self._some(BLOCK) != _ZEROS:
            raise self.damaged("the second of its two end blocks is missing")
        self._check_padding()
        return None

    def _check_padding(self) -> None:
        """After the end blocks tar fills up its last record with zeros, and that is all."""
        padding = self._some(MAX_PADDING + 1)
        if len(padding) > MAX_PADDING or padding.strip(b"\0") or len(padding) % BLOCK:
            raise self.damaged("something follows its end blocks")

    def _extension(self, size: int) -> bytes:
        if size > MAX_EXTENSION:
            raise HeaderError(f"an extension header is larger than {MAX_EXTENSION:,} bytes")
        content = self._read(size)
        self._read(padding_of(size))
        return content

    def _skip_content(self) -> None:
        count = self._content_left + self._padding
        if count and self._skipped(count) != count:
            raise self.damaged("it is cut short")
        self._content_left = self._padding = 0

    def _read(self, count: int) -> bytes:
        data = self._some(count)
        if len(data) != count:
            raise self.damaged("it is cut short")
        return data

    def _some(self, count: int) -> bytes:
        return self._asked(self._stream.read, count)

    def _skipped(self, count: int) -> int:
        return self._asked(self._stream.skip, count)

    def _asked(self, ask: Callable[[int], T], count: int) -> T:
        try:
            return ask(count)
        except StreamLimitError as err:
            raise ArchiveLimitError(err.what, err.limit, err.found) from err
        except DamagedStreamError as err:
            raise self.damaged(str(err)) from err


def _checked(kind: Extension, content: bytes) -> bytes:
    """The content of an extension header as ``combine`` takes it."""
    if kind is Extension.PAX:
        parse_pax(content)
        return content
    return parse_long(content)
