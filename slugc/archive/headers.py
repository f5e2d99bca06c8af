"""Tar headers, read strictly: ustar, PAX path, linkpath and size, GNU long names; nothing else.

Where readers are known to disagree about a header, this one refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from slugc.archive.limits import BLOCK

_MAX_OCTAL_SIZE = 0o77777777777
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_POSIX_MAGIC = b"ustar\x0000"
_GNU_MAGIC = b"ustar  \x00"
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=\x00]{1,1024})=")


class MemberKind(StrEnum):
    """What a member may be."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARD_LINK = "hard link"


class Extension(StrEnum):
    """Headers that say something about the next one."""

    PAX = "x"
    PAX_GLOBAL = "g"
    LONG_NAME = "L"
    LONG_TARGET = "K"


_KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"1": MemberKind.HARD_LINK,
    b"2": MemberKind.SYMLINK,
    b"5": MemberKind.DIRECTORY,
}
_EXTENSIONS = {extension.value.encode(): extension for extension in Extension}
_REFUSED = {
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"7": "a contiguous file",
    b"S": "a sparse file",
    b"M": "a part of a file on several volumes",
    b"V": "a volume label",
    b"D": "an incremental directory list",
}


class HeaderError(Exception):
    """What is wrong with a header; the reader adds where."""


class RefusedKindError(Exception):
    """A member of a kind that is never unpacked."""

    def __init__(self, name: bytes, what: str) -> None:
        super().__init__(what)
        self.name, self.what = name, what


class Header(NamedTuple):
    """One header block."""

    name: bytes
    kind: MemberKind | Extension
    size: int
    mode: int
    target: bytes


class Member(NamedTuple):
    """One member with everything its extension headers said. ``name`` is as stored."""

    name: bytes
    kind: MemberKind
    size: int
    mode: int
    target: bytes


def parse_header(block: bytes) -> Header:
    """One 512-byte header."""
    if sum(block) - sum(block[148:156]) + 8 * 32 != _octal(block[148:156], "checksum"):
        raise HeaderError("a header's checksum does not match")
    magic, flag = block[257:265], block[156:157]
    prefix = _until_nul(block[345:500])
    name = _until_nul(block[:100])
    if magic == _POSIX_MAGIC:
        name = prefix + b"/" + name if prefix else name
    elif magic != _GNU_MAGIC:
        raise HeaderError("a header is neither ustar nor GNU tar's")
    elif prefix:
        # GNU keeps other things there, several readers join it to the name all the same.
        raise HeaderError("a GNU header has a name prefix")
    if flag in _REFUSED:
        raise RefusedKindError(name, _REFUSED[flag])
    kind = _KINDS.get(flag) or _EXTENSIONS.get(flag)
    if kind is None:
        raise HeaderError(f"a member has the unknown type {flag!r}")
    return Header(
        name,
        kind,
        _octal(block[124:136], "size"),
        _octal(block[100:108], "mode"),
        _until_nul(block[157:257]),
    )


def combine(header: Header, extensions: Mapping[Extension, bytes]) -> Member:
    """The member that ``header`` and the extension headers before it describe together."""
    assert isinstance(header.kind, MemberKind)
    if not extensions:  # as nearly all are
        return Member(header.name, header.kind, header.size, header.mode, header.target)
    records = parse_pax(extensions.get(Extension.PAX, b""))
    name = _one_of(records.get(b"path"), extensions.get(Extension.LONG_NAME), header.name, "names")
    target = _one_of(
        records.get(b"linkpath"), extensions.get(Extension.LONG_TARGET), header.target, "targets"
    )
    size = header.size
    if (given := records.get(b"size")) is not None:
        if not re.fullmatch(rb"[0-9]{1,19}", given):
            raise HeaderError("a PAX size is not a number")
        size = int(given)
        if size <= _MAX_OCTAL_SIZE and header.size != size:
            # Readers disagree which one counts, and so about what is a header (CVE-2025-62518).
            raise HeaderError("a PAX size differs from the one in its header")
    return Member(name, header.kind, size, header.mode, target)


def parse_pax(content: bytes) -> dict[bytes, bytes]:
    """The records of a PAX header that decide what is unpacked; the rest is passed over."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(content):
        found = _RECORD.match(content, position)
        if not found:
            raise HeaderError("a PAX record is malformed")
        end = position + int(found[1])
        if end > len(content) or found.end() >= end or content[end - 1 : end] != b"\n":
            raise HeaderError("a PAX record has a wrong length")
        _keep_record(records, found[2], content[found.end() : end - 1])
        position = end
    return records


def _keep_record(records: dict[bytes, bytes], key: bytes, value: bytes) -> None:
    if key.startswith(b"GNU.sparse"):
        raise HeaderError("a member is a sparse file")
    if key == b"hdrcharset" and value not in {b"BINARY", b"ISO-IR 10646 2000 UTF-8"}:
        raise HeaderError("a PAX header uses an unknown character set")
    if key in {b"path", b"linkpath", b"size"}:
        if key in records:
            raise HeaderError(f"a PAX header gives {key.decode()} twice")
        if not value or b"\0" in value:
            raise HeaderError(f"a PAX {key.decode()} is empty or holds a NUL byte")
        records[key] = value


def parse_global(content: bytes) -> None:
    """A global PAX header, as `git archive` writes one with the commit. It may not decide names."""
    if parse_pax(content):
        raise HeaderError("a global PAX header gives a path, a linkpath or a size")


def parse_long(content: bytes) -> bytes:
    """A GNU long name or target: the bytes before the one NUL that ends them."""
    value, nul, rest = content.partition(b"\0")
    if not nul or rest.strip(b"\0") or not value:
        raise HeaderError("a GNU long name is malformed")
    return value


def padding_of(size: int) -> int:
    """How many bytes follow ``size`` bytes of content up to the next block."""
    return -size % BLOCK


def _one_of(pax: bytes | None, gnu: bytes | None, plain: bytes, what: str) -> bytes:
    if pax is not None and gnu is not None:
        raise HeaderError(f"a member has two long {what}")
    return next((value for value in (pax, gnu) if value is not None), plain)


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _octal(field: bytes, what: str) -> int:
    found = _OCTAL.fullmatch(field)
    if not found:
        raise HeaderError(f"a header's {what} is not an octal number")
    return int(found[1], 8)
