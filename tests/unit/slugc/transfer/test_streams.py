"""Streams are hashed, checked and compressed as they pass, the same each time."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator

import pytest
from backports import zstd

from buildpack.support.errors import ExitCode
from slugc.transfer.streams import (
    PIECE,
    BlobDamagedError,
    BlobUnreadableError,
    ChunkReader,
    Compression,
    checked,
    compressed,
    facts_of,
    plain,
    without_end,
)

CONTENT = os.urandom(1000) * 12_000  # three pieces


def chunks(size: int = 70_001) -> Iterator[bytes]:
    return (CONTENT[at : at + size] for at in range(0, len(CONTENT), size))


@pytest.mark.parametrize("kind", list(Compression))
def test_what_is_compressed_can_be_read_again(kind: Compression) -> None:
    packed = b"".join(compressed(chunks(), kind))
    assert b"".join(plain(iter((packed,)))) == CONTENT
    readers = {Compression.GZIP: gzip.decompress, Compression.ZSTD: zstd.decompress}
    assert readers.get(kind, bytes)(packed) == CONTENT


@pytest.mark.parametrize("kind", list(Compression))
def test_bytes_do_not_depend_on_how_the_stream_was_cut(kind: Compression) -> None:
    assert len(CONTENT) > 2 * PIECE
    first = b"".join(compressed(chunks(), kind))
    assert first == b"".join(compressed(chunks(1_234_567), kind))


def test_facts_are_digest_and_size() -> None:
    found = facts_of(chunks())
    assert found.digest == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    assert found.size == len(CONTENT)


def test_a_changed_byte_is_an_error_at_the_end() -> None:
    wanted = facts_of(iter((b"right",))).digest
    assert b"".join(checked((b"right",), wanted, where="x")) == b"right"
    with pytest.raises(BlobDamagedError) as caught:
        list(checked((b"wrong",), wanted, where="the image"))
    assert caught.value.exit_code == ExitCode.CHECKSUM
    assert caught.value.text() == (
        f"A part of the image is damaged\n\nIt should be {wanted}\n"
        f"and is        {caught.value.found}.\n\nFetch or make it again."
    )


def test_compressed_bytes_that_do_not_decode_are_an_error() -> None:
    with pytest.raises(BlobUnreadableError) as caught:
        list(plain(iter((gzip.compress(b"x" * 100)[:-9],))))
    assert caught.value.brief == "A layer of the image cannot be decompressed"
    assert caught.value.found == "it ends in the middle of a compressed frame"


def test_without_end_holds_back_just_the_end() -> None:
    assert b"".join(without_end((b"ab", b"cdef", b"g"), 3)) == b"abcd"
    assert b"".join(without_end((b"ab",), 2)) == b""


def test_chunks_read_like_a_file() -> None:
    reader = ChunkReader((b"abc", b"", b"defg"))
    assert [reader.read(2) for _ in range(5)] == [b"ab", b"c", b"de", b"fg", b""]
