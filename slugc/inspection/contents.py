"""The members of a slug, layer by layer: one pass, no file written, one chunk held at a time."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from buildpack.support.values import value
from slugc.archive.errors import ArchiveLimitError
from slugc.archive.headers import Member, MemberKind
from slugc.archive.limits import BLOCK, DEFAULT_LIMITS, Limits
from slugc.archive.members import MAX_EXTENSION, MemberReader
from slugc.archive.plain_stream import PlainStream
from slugc.slug import Layer, Slug
from slugc.slug_verify import layer_chunks

ROOT = b"./app/"
_PIECE = 1024 * 1024
MAX_KEPT = 8 * 1024 * 1024
"""Of one file whose content is asked for: the RECORD of the largest wheels takes 2 MB."""
MAX_KEPT_ALL = 64 * 1024 * 1024
MOST_TAR = DEFAULT_LIMITS.unpacked + DEFAULT_LIMITS.entries * (4 * BLOCK + MAX_EXTENSION)


class SlugEntry(NamedTuple):
    """A file, link or directory of a slug. ``path`` is relative to /app, and as ``os.fsdecode``
    gives it; ``frame`` is the number of its layer's frame, from 0; ``digest`` the sha256 of a
    file's content, where it was asked for."""

    path: str
    kind: MemberKind
    size: int
    executable: bool
    target: str
    layer: str
    frame: int
    digest: bytes = b""


@value
class Contents:
    """Everything that lies in some layers, without the directories that only lead there twice."""

    entries: tuple[SlugEntry, ...]
    kept: Mapping[str, bytes]
    """the content of the files that were asked for, by path"""


def read_contents(
    slug: Slug,
    *,
    keep: Callable[[str], bool] = lambda path: False,
    digests: bool = False,
    layers: Iterable[Layer] | None = None,
) -> Contents:
    """What ``layers`` hold, or all of them; each is compared with its digest before it is read."""
    kept: dict[str, bytes] = {}
    entries: list[SlugEntry] = []
    directories: set[str] = set()
    for entry in iterate(slug, keep=keep, kept=kept, digests=digests, layers=layers):
        if entry.kind is MemberKind.DIRECTORY:
            if entry.path in directories:
                continue
            directories.add(entry.path)
        entries.append(entry)
    return Contents(entries=tuple(entries), kept=kept)


def iterate(
    slug: Slug,
    *,
    keep: Callable[[str], bool],
    kept: dict[str, bytes],
    digests: bool = False,
    layers: Iterable[Layer] | None = None,
) -> Iterator[SlugEntry]:
    """The entries as they come; what ``keep`` wants of their contents goes into ``kept``."""
    count = unpacked = room = 0
    for layer in slug.metadata.layers if layers is None else layers:
        stream = _stream(slug, layer)
        reader = MemberReader(stream, ends=False)
        ends = tuple(accumulate(frame.uncompressed_size for frame in layer.parts))
        while (member := reader.next()) is not None:
            count += 1
            unpacked += member.size
            _check_limits(count, unpacked)
            path = path_of(member)
            if not path:
                continue
            # A member's header ends in its frame; an index that lies about sizes is not asked.
            frame = min(bisect_left(ends, stream.tell()), len(ends) - 1)
            digest = b""
            wanted = member.kind is MemberKind.FILE and keep(path)
            if wanted or (digests and member.kind is MemberKind.FILE):
                hold = wanted and member.size <= MAX_KEPT and room + member.size <= MAX_KEPT_ALL
                content, digest = _taken(reader, hold=hold)
                if content is not None:
                    kept[path] = content
                    room += len(content)
            yield _entry(member, path, layer.name, frame, digest)


def _stream(slug: Slug, layer: Layer) -> PlainStream:
    return PlainStream(Chunks(layer_chunks(slug, layer)), Limits(packed=MOST_TAR))


def _check_limits(entries: int, size: int) -> None:
    """A slug that nobody could unpack is not looked through to its end either."""
    limits = DEFAULT_LIMITS
    if entries > limits.entries * 2:  # directories come once in each layer
        raise ArchiveLimitError("entries", limits.entries, entries)
    if size > limits.unpacked:
        raise ArchiveLimitError("bytes", limits.unpacked, size)


class Chunks:
    """A stream of chunks, read like a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes; empty at the end."""
        data = self._rest or next(self._chunks, b"")
        self._rest = data[count:]
        return data[:count]


def path_of(member: Member) -> str:
    """Where the member lies below /app; empty for /app itself. Other names come out as they are."""
    name = member.name.removeprefix(ROOT)
    return os.fsdecode(name.rstrip(b"/"))


def _entry(member: Member, path: str, layer: str, frame: int, digest: bytes) -> SlugEntry:
    return SlugEntry(
        path,
        member.kind,
        member.size,
        bool(member.mode & 0o100),
        os.fsdecode(member.target),
        layer,
        frame,
        digest,
    )


def _taken(reader: MemberReader, *, hold: bool) -> tuple[bytes | None, bytes]:
    """The content of the current file, if it is to be held, and its digest."""
    digest = hashlib.sha256()
    parts: list[bytes] = []
    while piece := reader.content(_PIECE):
        digest.update(piece)
        if hold:
            parts.append(piece)
    return (b"".join(parts) if hold else None), digest.digest()
