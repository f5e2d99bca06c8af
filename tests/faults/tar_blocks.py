"""Tar archives written block by block, so that every field can be wrong."""

from __future__ import annotations

import gzip
from contextvars import ContextVar
from dataclasses import dataclass

from backports import zstd

BELOW: ContextVar[bytes] = ContextVar("BELOW", default=b"")
"""What every name and every hard link's target begins with: ``./app/`` in a slug."""

POSIX = b"ustar\x0000"
GNU = b"ustar  \x00"
END = bytes(1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of one header that the corpus bends."""

    mode: bytes = b"0000644\0"
    owner: bytes = b"0000000\0"
    size: bytes | None = None
    target: bytes = b""
    magic: bytes = POSIX
    prefix: bytes = b""
    checksum: bytes | None = None


def header(name: bytes, kind: bytes = b"0", size: int = 0, fields: Fields | None = None) -> bytes:
    """One header block with a right checksum, unless ``fields`` gives another."""
    wanted = fields or Fields()
    size_field = wanted.size if wanted.size is not None else b"%011o\0" % size
    start = name.ljust(100, b"\0")[:100] + wanted.mode + wanted.owner * 2
    start += size_field + b"00000000000\0"
    end = kind + wanted.target.ljust(100, b"\0")[:100] + wanted.magic + bytes(80)
    end += wanted.prefix.ljust(155, b"\0") + bytes(12)
    total = sum(start) + sum(end) + 8 * 32
    return start + (wanted.checksum or b"%06o\0 " % total) + end


def padded(content: bytes) -> bytes:
    """Content filled up to whole blocks."""
    return content + bytes(-len(content) % 512)


def at(name: bytes) -> bytes:
    """``name`` below BELOW, unless it is absolute or none."""
    return name if name.startswith(b"/") or not name else BELOW.get() + name


def entry(name: bytes, kind: bytes = b"0", size: int = 0, fields: Fields | None = None) -> bytes:
    """A header with a name in the tree."""
    return header(at(name), kind, size, fields)


def file(name: bytes, content: bytes = b"x", fields: Fields | None = None) -> bytes:
    """A regular file."""
    return entry(name, b"0", len(content), fields) + padded(content)


def directory(name: bytes, mode: bytes = b"0000755\0") -> bytes:
    """A directory."""
    return entry(name, b"5", 0, Fields(mode=mode))


def symlink(name: bytes, target: bytes) -> bytes:
    """A symbolic link."""
    return entry(name, b"2", 0, Fields(target=target))


def hard_link(name: bytes, target: bytes) -> bytes:
    """A hard link."""
    return entry(name, b"1", 0, Fields(target=at(target)))


def pax(records: dict[bytes, bytes], kind: bytes = b"x") -> bytes:
    """A PAX header."""
    names = {key: at(value) if key == b"path" else value for key, value in records.items()}
    return raw_pax(b"".join(_record(key, value) for key, value in names.items()), kind)


def raw_pax(content: bytes, kind: bytes = b"x") -> bytes:
    """A PAX header with this content, right or wrong."""
    return header(b"././@PaxHeader", kind, len(content)) + padded(content)


def gnu_long(value: bytes, kind: bytes = b"L") -> bytes:
    """A GNU long name (L) or target (K)."""
    content = (at(value) if kind == b"L" else value) + b"\0"
    return header(b"././@LongLink", kind, len(content), Fields(magic=GNU)) + padded(content)


def _record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %b=%b\n" % (length, key, value)


def gz(tar: bytes) -> bytes:
    """As gzip."""
    return gzip.compress(tar, 1, mtime=0)


def zst(tar: bytes) -> bytes:
    """As one zstd frame."""
    return zstd.compress(tar, 1)
