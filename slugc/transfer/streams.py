"""Streams of bytes: read like files, hashed, checked, compressed as they pass."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from slugc.archive.compression import GzipMember, new_compressor
from slugc.archive.limits import Limits
from slugc.archive.plain_stream import DamagedStreamError, PlainStream
from slugc.slug_format import SlugFormat

PIECE = 4 * 1024 * 1024
_CHUNK = 1024 * 1024
_WORKERS = 2
MAX_IMAGE_LAYER = 64 * 1024**3  # bytes; what a base image holds is its maker's business

Chunks = Callable[[], Iterator[bytes]]
"""A stream that can be read again from its beginning."""


class Compression(StrEnum):
    """How layers of an image are compressed. The value is what ``--compression`` takes."""

    ZSTD = "zstd"
    GZIP = "gzip"
    NONE = "none"


@value
class Facts:
    """The digest and the size of a stream."""

    digest: str
    size: int


class BlobDamagedError(SlugkitError):
    """Bytes that are not those their digest names."""

    exit_code = ExitCode.CHECKSUM
    id = "blob-damaged"

    def __init__(self, where: str, wanted: str, found: str) -> None:
        self.where, self.wanted, self.found = where, wanted, found
        super().__init__(
            f"A part of {where} is damaged",
            details=f"It should be {wanted}\nand is        {found}.",
            resolution="Fetch or make it again.",
        )


class BlobUnreadableError(SlugkitError):
    """Compressed bytes that do not decode."""

    exit_code = ExitCode.DATA
    id = "blob-unreadable"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            "A layer of the image cannot be decompressed",
            details=found,
            resolution="Fetch or make the image again.",
        )


class ChunkReader:
    """Chunks, read like a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes; empty at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        data, self._rest = self._rest[:count], self._rest[count:]
        return bytes(data)


class Watched:
    """A stream that knows, when it has passed, what it was."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._digest, self._size = hashlib.sha256(), 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self._size += len(chunk)
            yield chunk

    def facts(self) -> Facts:
        return Facts(digest=f"sha256:{self._digest.hexdigest()}", size=self._size)


def facts_of(chunks: Iterable[bytes]) -> Facts:
    """Read a stream to its end and say what it was."""
    watched = Watched(chunks)
    for _ in watched:
        continue
    return watched.facts()


def checked(chunks: Iterable[bytes], digest: str, *, where: str) -> Iterator[bytes]:
    """The stream; raises BlobDamagedError at its end where it was not what ``digest`` names."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
        yield chunk
    if f"sha256:{found.hexdigest()}" != digest:
        raise BlobDamagedError(where, digest, f"sha256:{found.hexdigest()}")


def plain(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream without its gzip or zstd compression, if it has one."""
    try:
        stream = PlainStream(ChunkReader(chunks), Limits(packed=MAX_IMAGE_LAYER))
        while chunk := stream.read(_CHUNK):
            yield chunk
    except DamagedStreamError as err:
        raise BlobUnreadableError(str(err)) from err


def without_end(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The stream less its last ``count`` bytes."""
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) > count:
            yield held[:-count]
            held = held[-count:]


def compressed(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """The stream compressed; the same bytes give the same bytes."""
    if compression is Compression.NONE:
        yield from chunks
    elif compression is Compression.GZIP:
        yield from _gzip(chunks)
    else:
        compressor = new_compressor(SlugFormat.ZSTD)
        for chunk in chunks:
            if data := compressor.compress(chunk):
                yield data
        yield compressor.finish()


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """One member for each piece, side by side: gzip is the slowest part of an export."""
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for piece in _pieces(chunks):
            waiting.append(pool.submit(_member, piece))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _member(piece: bytes) -> bytes:
    member = GzipMember()
    return member.compress(piece) + member.finish()


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    parts = bytearray()
    for chunk in chunks:
        parts += chunk
        while len(parts) >= PIECE:
            yield bytes(parts[:PIECE])
            del parts[:PIECE]
    if parts:
        yield bytes(parts)
