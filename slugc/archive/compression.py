"""Writing zstd frames and gzip members, bounded in memory (``plain_stream`` reads them).

The settings are constants: the same tar bytes give the same frame whatever the machine.
"""

from __future__ import annotations

import sys
import zlib
from typing import Protocol

from slugc.slug_format import GZIP_HEADER, SlugFormat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_LEVEL = (
    3  # -9 is 8 % smaller and three times slower (reference figures in docs/slug-format.md)
)
# Four times the window and tables of level 3 make frames 2 % smaller, which is more than cutting
# a slug into frames costs. 8 MiB is what RFC 8878 (3.1.1.1.2) asks every decoder to support.
ZSTD_WINDOW_LOG, ZSTD_HASH_LOG, ZSTD_CHAIN_LOG = 23, 19, 18
ZSTD_LARGE = 1 << ZSTD_WINDOW_LOG
ZSTD_WINDOW_LOG_LEAST = 18  # a window larger than the frame is memory for nothing, on both sides
# With at least one worker zstd cuts its input into jobs of a fixed size, so the bytes do not
# depend on how many workers there are (zstd.h, ZSTD_c_nbWorkers); 0 gives other bytes.
# A smaller window and jobs, because every worker has buffers of that size.
ZSTD_JOB_SIZE = 4 * 1024 * 1024
ZSTD_JOB_WINDOW_LOG = 21
GZIP_LEVEL = 6


class Compressor(Protocol):
    """What turns a layer's tar bytes into one frame."""

    def compress(self, data: bytes | bytearray | memoryview, /) -> bytes: ...

    def finish(self) -> bytes: ...


class ZstdFrame:
    """One zstd frame with a content checksum, so that `zstd -t` can test a slug."""

    def __init__(self, *, size: int = ZSTD_LARGE, workers: int = 0) -> None:
        window_log = max(ZSTD_WINDOW_LOG_LEAST, min(ZSTD_WINDOW_LOG, size.bit_length()))
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: ZSTD_LEVEL,
            zstd.CompressionParameter.window_log: window_log,
            zstd.CompressionParameter.hash_log: ZSTD_HASH_LOG,
            zstd.CompressionParameter.chain_log: ZSTD_CHAIN_LOG,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        if workers:
            options[zstd.CompressionParameter.nb_workers] = workers
            options[zstd.CompressionParameter.job_size] = ZSTD_JOB_SIZE
            options[zstd.CompressionParameter.window_log] = ZSTD_JOB_WINDOW_LOG
        self._compressor = zstd.ZstdCompressor(options=options)

    def compress(self, data: bytes | bytearray | memoryview, /) -> bytes:
        return self._compressor.compress(data)

    def finish(self) -> bytes:
        return self._compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)


class GzipMember:
    """One gzip member without a time or a name."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._started = False
        self._crc = 0
        self._length = 0

    def compress(self, data: bytes | bytearray | memoryview, /) -> bytes:
        self._crc = zlib.crc32(data, self._crc)
        self._length += len(data)
        header = b"" if self._started else GZIP_HEADER
        self._started = True
        return header + self._deflate.compress(data)

    def finish(self) -> bytes:
        tail = self._crc.to_bytes(4, "little") + (self._length & 0xFFFFFFFF).to_bytes(4, "little")
        return self._deflate.flush() + tail


def new_compressor(
    format: SlugFormat,  # noqa: A002  # the word it is known by
    *,
    size: int = ZSTD_LARGE,
    workers: int = 0,
) -> Compressor:
    """A compressor for one frame of some ``size``; gzip has no use for that and ``workers``."""
    if format is SlugFormat.ZSTD:
        return ZstdFrame(size=size, workers=workers)
    return GzipMember()


def codec_version(format: SlugFormat) -> str:  # noqa: A002  # as above
    """The library that makes frames of that format: another version may give other bytes."""
    if format is SlugFormat.ZSTD:
        return f"zstd {zstd.zstd_version}"
    return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
