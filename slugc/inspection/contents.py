"""The members of a slug, layer by layer: one pass, no file written, one chunk held at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from buildpack.support.values import value
from slugc.archive.compression import PlainStream
from slugc.archive.headers import Member, MemberKind
from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.members import MemberReader
from slugc.slug import Layer, Slug
from slugc.slug_verify import Section, open_slug, verify_layers

ROOT = b"./app/"
_PIECE = 1024 * 1024
MAX_KEPT = 8 * 1024 * 1024
"""Of one file whose content is asked for: the RECORD of the largest wheels takes 2 MB."""


class SlugEntry(NamedTuple):
    """A file, link or directory of a slug. ``path`` is relative to /app, and as ``os.fsdecode``
    gives it; ``digest`` is the sha256 of a file's content, where it was asked for."""

    path: str
    kind: MemberKind
    size: int
    executable: bool
    target: str
    layer: str
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
    wanted = slug.metadata.layers if layers is None else tuple(layers)
    descriptor = open_slug(slug)
    try:
        verify_layers(descriptor, slug, wanted)
        for layer in wanted:
            section = Section(descriptor, offset=layer.offset, size=layer.size)
            stream = PlainStream(section, DEFAULT_LIMITS)
            reader = MemberReader(stream, ends=False)
            while (member := reader.next()) is not None:
                path = path_of(member)
                if not path:
                    continue
                digest = b""
                if member.kind is MemberKind.FILE and (keep(path) or digests):
                    content, digest = _taken(reader, hold=keep(path))
                    if content is not None:
                        kept[path] = content
                yield _entry(member, path, layer.name, digest)
    finally:
        os.close(descriptor)


def path_of(member: Member) -> str:
    """Where the member lies below /app; empty for /app itself. Other names come out as they are."""
    name = member.name.removeprefix(ROOT)
    return os.fsdecode(name.rstrip(b"/"))


def _entry(member: Member, path: str, layer: str, digest: bytes) -> SlugEntry:
    return SlugEntry(
        path,
        member.kind,
        member.size,
        bool(member.mode & 0o100),
        os.fsdecode(member.target),
        layer,
        digest,
    )


def _taken(reader: MemberReader, *, hold: bool) -> tuple[bytes | None, bytes]:
    """The content of the current file if it is to be held and not huge, and its digest."""
    digest = hashlib.sha256()
    parts: list[bytes] = []
    size = 0
    while piece := reader.content(_PIECE):
        digest.update(piece)
        size += len(piece)
        if hold and size <= MAX_KEPT:
            parts.append(piece)
    return (b"".join(parts) if hold and size <= MAX_KEPT else None), digest.digest()
