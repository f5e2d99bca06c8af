"""The bytes around a slug's layers: what ends the tar, what holds the index, how it is found.

zstd    FRAME... END skippable-frame(index, footer)
gzip    MEMBER... END empty-member(extra: index part)... empty-member(extra: footer)

The constants below are spelled out, not made by a compressor, so that every version of every
library writes the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum

BLOCK = 512
TAR_END = bytes(2 * BLOCK)
FOOTER_MAGIC = b"SLUGKIT1"
FOOTER_SIZE = 16


class SlugFormat(StrEnum):
    """How the frames are compressed. The value is what ``--format`` takes."""

    ZSTD = "slug"
    GZIP = "tgz"

    @property
    def suffix(self) -> str:
        """The ending of one compressed frame in the store."""
        return ".zst" if self is SlugFormat.ZSTD else ".gz"


ZSTD_MAGIC = bytes.fromhex("28b52ffd")
GZIP_MAGIC = bytes.fromhex("1f8b08")

# 1,024 zero bytes as one RLE block (RFC 8878, 3.1.1): frame header 0x60 = single segment, two
# bytes of content size holding size - 256; block header = last, RLE, 1,024 times; the byte.
ZSTD_END = ZSTD_MAGIC + bytes.fromhex("60000303200000")
# RFC 8878, 3.1.2: any of 0x184D2A50 to 0x184D2A5F is skipped by every decoder.
SKIPPABLE_MAGIC = 0x184D2A5E

# RFC 1952: deflate, no flags, no time, no operating system told (255).
GZIP_HEADER = GZIP_MAGIC + bytes.fromhex("000000000000ff")
_GZIP_EXTRA_HEADER = GZIP_MAGIC + bytes.fromhex("040000000000ff")
_GZIP_EMPTY_BODY = bytes.fromhex("03000000000000000000")  # empty block, CRC 0, length 0
# The same zero bytes as one stored block (RFC 1951, 3.2.4).
GZIP_END = (
    GZIP_HEADER
    + struct.pack("<BHH", 1, len(TAR_END), len(TAR_END) ^ 0xFFFF)
    + TAR_END
    + struct.pack("<II", zlib.crc32(TAR_END), len(TAR_END))
)
_INDEX_FIELD = b"SK"  # a subfield of the extra field: part of the index
_FOOTER_FIELD = b"SF"
_FIELD_LIMIT = 65_000  # an extra field ends at 65,535 bytes
GZIP_FOOTER_MEMBER_SIZE = len(_GZIP_EXTRA_HEADER) + 2 + 4 + FOOTER_SIZE + len(_GZIP_EMPTY_BODY)


def end_of(format: SlugFormat) -> bytes:  # noqa: A002  # the word the format is known by
    """The frame that holds tar's two end blocks."""
    return ZSTD_END if format is SlugFormat.ZSTD else GZIP_END


def encode_trailer(format: SlugFormat, document: bytes) -> bytes:  # noqa: A002  # as above
    """Everything after the end frame: the index, and the footer that makes it findable."""
    if format is SlugFormat.ZSTD:
        payload = document + _footer(len(document))
        return struct.pack("<II", SKIPPABLE_MAGIC, len(payload)) + payload
    members = b"".join(_empty_member(_INDEX_FIELD, part) for part in _parts(document))
    return members + _empty_member(_FOOTER_FIELD, _footer(len(members)))


def decode_footer(tail: bytes) -> tuple[SlugFormat, int] | None:
    """From a file's last bytes: its format, and how many bytes its trailer takes."""
    if tail[-FOOTER_SIZE:][8:] == FOOTER_MAGIC and len(tail) >= FOOTER_SIZE:
        return SlugFormat.ZSTD, _footer_length(tail[-FOOTER_SIZE:]) + FOOTER_SIZE + 8
    footer = tail[-len(_GZIP_EMPTY_BODY) - FOOTER_SIZE : -len(_GZIP_EMPTY_BODY)]
    if footer[8:] == FOOTER_MAGIC and tail.endswith(_GZIP_EMPTY_BODY):
        return SlugFormat.GZIP, _footer_length(footer) + GZIP_FOOTER_MEMBER_SIZE
    return None


def decode_trailer(format: SlugFormat, trailer: bytes) -> bytes | None:  # noqa: A002  # as above
    """The index's bytes, or None when ``trailer`` is not, to the byte, what we would write."""
    if format is SlugFormat.ZSTD:
        document = trailer[8:-FOOTER_SIZE]
    else:
        document = b"".join(_gzip_parts(trailer[:-GZIP_FOOTER_MEMBER_SIZE]))
    return document if encode_trailer(format, document) == trailer else None


def _footer(length: int) -> bytes:
    return struct.pack("<Q", length) + FOOTER_MAGIC


def _footer_length(footer: bytes) -> int:
    (length,) = struct.unpack("<Q", footer[:8])
    return int(length)


def _parts(document: bytes) -> Iterator[bytes]:
    for start in range(0, len(document), _FIELD_LIMIT):
        yield document[start : start + _FIELD_LIMIT]


def _empty_member(field: bytes, content: bytes) -> bytes:
    extra = field + struct.pack("<H", len(content)) + content
    return _GZIP_EXTRA_HEADER + struct.pack("<H", len(extra)) + extra + _GZIP_EMPTY_BODY


def _gzip_parts(members: bytes) -> Iterator[bytes]:
    start, head, tail = 0, len(_GZIP_EXTRA_HEADER) + 6, len(_GZIP_EMPTY_BODY)
    while start + head <= len(members):
        (length,) = struct.unpack("<H", members[start + head - 2 : start + head])
        yield members[start + head : start + head + length]
        start += head + length + tail
