"""Single files out of the layer of a base image, without unpacking it.

A root file system holds what no slug may: devices, links to anywhere. So this goes by the headers
alone, takes regular files of given names, and stops where it has them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from posixpath import normpath

from slugc.archive.headers import (
    Extension,
    Header,
    HeaderError,
    MemberKind,
    RefusedKindError,
    combine,
    padding_of,
    parse_header,
    parse_long,
)
from slugc.archive.members import MAX_EXTENSION
from slugc.slug_format import BLOCK
from slugc.transfer.streams import ChunkReader

_CHUNK = 1024 * 1024
_GNU = frozenset({Extension.LONG_NAME, Extension.LONG_TARGET})


def peek(tar: Iterable[bytes], names: Iterable[str], *, limit: int) -> dict[str, bytes]:
    """The first ``limit`` bytes of the files called ``names``, of those that are there.

    A header that makes no sense ends the search: then the rest is not known.
    """
    wanted, found = set(names), dict[str, bytes]()
    reader = _Exactly(ChunkReader(tar))
    extensions: dict[Extension, bytes] = {}
    while wanted and len(block := reader.take(BLOCK)) == BLOCK and block.strip(b"\0"):
        try:
            header = parse_header(block)
            if isinstance(header.kind, Extension):
                extensions[header.kind] = _extension(header, reader)
                continue
            member = combine(header, extensions)
        except RefusedKindError:  # devices and FIFOs: they have no content
            extensions = {}
            continue
        except HeaderError:
            break
        extensions = {}
        size = member.size if member.kind is MemberKind.FILE else 0
        name = normpath("/" + os.fsdecode(member.name)).lstrip("/")
        content = reader.take(min(size, limit)) if size and name in wanted else b""
        if content:
            found[name] = content
            wanted.discard(name)
        reader.skip(size - len(content) + padding_of(size))
    return found


def _extension(header: Header, reader: _Exactly) -> bytes:
    if header.size > MAX_EXTENSION:
        raise HeaderError("an extension header is too large")
    content = reader.take(header.size)
    reader.skip(padding_of(header.size))
    return parse_long(content) if header.kind in _GNU else content


class _Exactly:
    """Reads as many bytes as are asked for; fewer only at the end."""

    def __init__(self, raw: ChunkReader) -> None:
        self._raw = raw

    def take(self, count: int) -> bytes:
        parts = []
        while count and (data := self._raw.read(count)):
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        while count and (data := self._raw.read(min(count, _CHUNK))):
            count -= len(data)
