"""The tar bytes of an archive, whether it is compressed or not; bounded in memory and in size."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from slugc.archive.limits import RATIO_SLACK, Limits
from slugc.slug_format import GZIP_MAGIC, ZSTD_MAGIC

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_WINDOW_LOG_MAX = 27  # 128 MiB: what `zstd -d` itself allows without --long
_CHUNK = 256 * 1024
# bgzip makes a member every 64 KiB; a million empty ones only keep a reader busy.
_MAX_FRAMES = 100_000
_OTHERS = {b"\xfd7zXZ\0": "an xz file", b"BZh": "a bzip2 file", b"PK\3\4": "a ZIP file"}


class Readable(Protocol):
    """All we ask of a stream: pipes, sockets and parts of files can be unpacked."""

    def read(self, count: int, /) -> bytes: ...


class DamagedStreamError(Exception):
    """Compressed bytes that do not decode; the archive reader gives it a place and words."""


class _ZstdDecoder:
    def __init__(self) -> None:
        options: dict[int, int] = {
            zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX,
        }
        self._decoder = zstd.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def feed(self, data: bytes) -> bytes:
        try:
            return self._decoder.decompress(data, _CHUNK)
        except zstd.ZstdError as err:
            raise DamagedStreamError(f"zstd: {err}") from err

    def has_more(self) -> bool:
        return not self._decoder.eof and not self._decoder.needs_input


class _GzipDecoder:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def feed(self, data: bytes) -> bytes:
        try:
            return self._decoder.decompress(self._decoder.unconsumed_tail + data, _CHUNK)
        except zlib.error as err:
            raise DamagedStreamError(f"gzip: {err}") from err

    def has_more(self) -> bool:
        return not self._decoder.eof and bool(self._decoder.unconsumed_tail)


class StreamLimitError(DamagedStreamError):
    """More bytes than are allowed; the archive reader gives it words of its own."""

    def __init__(self, what: str, limit: int, found: int) -> None:
        super().__init__(f"{found:,} {what} where {limit:,} are allowed")
        self.what, self.limit, self.found = what, limit, found


class PlainStream:
    """The tar bytes of an archive that is not compressed, or is: read until their true end.

    Concatenated frames and members are one stream; skippable frames are skipped; what follows
    the last one must be another one. A stream that is cut raises DamagedStreamError, one that
    passes a limit StreamLimitError.
    ``watch`` sees all decoded bytes, to hash them.
    """

    def __init__(
        self, raw: Readable, limits: Limits, *, watch: Callable[[bytes], object] | None = None
    ) -> None:
        self._raw = raw
        self._watch = watch
        self._limits = limits
        self._taken = self._given = 0
        self._frames_left = _MAX_FRAMES
        self._chunk = b""
        self._start = 0
        self._input = b""
        self._position = 0
        self._decoder: _ZstdDecoder | _GzipDecoder | None = None
        self._input = self._more_input()
        if not self._input:
            raise DamagedStreamError("it is empty")
        self._compressed = self._input.startswith((ZSTD_MAGIC, GZIP_MAGIC))
        for magic, name in _OTHERS.items():
            if self._input.startswith(magic):
                raise DamagedStreamError(f"it is {name}; tar files plain, as gzip or zstd are read")

    def tell(self) -> int:
        """How many tar bytes were read."""
        return self._position

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes, fewer only at the end of the stream."""
        end = self._start + count
        if end <= len(self._chunk):
            data = self._chunk[self._start : end]
            self._start = end
            self._position += count
            return data
        parts = [self._chunk[self._start :]]
        have = len(parts[0])
        self._chunk, self._start = b"", 0
        while have < count and (chunk := self._next_chunk()):
            if self._watch is not None:
                self._watch(chunk)
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        if have > count:
            self._chunk, self._start = parts[-1], len(parts[-1]) - (have - count)
            data = data[:count]
        self._position += len(data)
        return data

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes; returns how many there were."""
        left = count
        while (here := len(self._chunk) - self._start) < left:
            left -= here
            self._chunk, self._start = self._next_chunk(), 0
            if not self._chunk:
                break
            if self._watch is not None:
                self._watch(self._chunk)
        else:
            self._start, left = self._start + left, 0
        self._position += count - left
        return count - left

    def _more_input(self) -> bytes:
        data = self._raw.read(_CHUNK)
        self._taken += len(data)
        if self._taken > self._limits.packed:
            raise StreamLimitError("packed bytes", self._limits.packed, self._taken)
        return data

    def _weigh(self, count: int) -> None:
        """A few packed bytes that become very many are no app."""
        self._given += count
        ratio = self._limits.ratio
        if ratio is not None and self._given > RATIO_SLACK + ratio * self._taken:
            found = self._given // max(1, self._taken)
            raise StreamLimitError("bytes for each packed one", ratio, found)

    def _next_chunk(self) -> bytes:
        """Some decoded bytes; empty only at the true end."""
        if not self._compressed:
            data, self._input = self._input or self._more_input(), b""
            return data
        while True:
            if self._decoder is None and not self._open_frame():
                return b""
            decoder = self._decoder
            assert decoder is not None
            if decoder.eof:
                self._input, self._decoder = decoder.unused_data, None
                continue
            data = decoder.feed(self._take_input(decoder))
            if data:
                self._weigh(len(data))
                return data

    def _take_input(self, decoder: _ZstdDecoder | _GzipDecoder) -> bytes:
        if decoder.has_more():
            return b""
        data, self._input = self._input or self._more_input(), b""
        if not data:
            raise DamagedStreamError("it ends in the middle of a compressed frame")
        return data

    def _open_frame(self) -> bool:
        """Begin the next frame; False at the true end."""
        while len(self._input) < 4 and (more := self._more_input()):
            self._input += more
        head = self._input
        if not head:
            return False
        self._frames_left -= 1
        if self._frames_left < 0:
            raise DamagedStreamError(f"it has more than {_MAX_FRAMES:,} compressed frames")
        if head.startswith(GZIP_MAGIC):
            self._decoder = _GzipDecoder()
        elif head.startswith(ZSTD_MAGIC) or _is_skippable(head):
            self._decoder = _ZstdDecoder()
        else:
            raise DamagedStreamError("something follows its compressed data")
        return True


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50


def first_bytes(path: Path, count: int) -> bytes:
    """The first tar bytes of a compressed file; empty when they cannot be decoded."""
    with path.open("rb") as raw:
        try:
            return PlainStream(raw, Limits()).read(count)
        except (DamagedStreamError, StreamLimitError):
            return b""
