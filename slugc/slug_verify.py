"""Whether a slug's bytes are what its index says, and its tar stream once they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from slugc.slug import Layer, Slug, SlugDamagedError, SlugMissingError
from slugc.slug_format import end_of

_CHUNK = 1024 * 1024


class Section:
    """A part of an open file, read like a file of its own; any number can be read at once."""

    def __init__(self, descriptor: int, *, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._position = offset
        self._end = offset + size

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes; empty at the end of the part or the file."""
        wanted = min(count, self._end - self._position)
        data = os.pread(self._descriptor, wanted, self._position)
        self._position += len(data)
        return data


def open_slug(slug: Slug) -> int:
    """A descriptor of the slug's file."""
    try:
        return os.open(slug.archive, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as err:
        raise SlugMissingError(slug.archive, err.strerror or str(err)) from err


def verify(slug: Slug) -> None:
    """Raise SlugDamagedError, naming every layer that is not as the index says."""
    descriptor = open_slug(slug)
    try:
        verify_layers(descriptor, slug, slug.metadata.layers)
    finally:
        os.close(descriptor)


def verify_layers(descriptor: int, slug: Slug, layers: Iterable[Layer]) -> None:
    """Compare these layers' frames with their digests, and the end frame with its bytes."""
    with ThreadPoolExecutor(2) as pool:
        found = tuple(pool.map(lambda layer: _damage(descriptor, layer), layers))
    problems = [problem for problem in found if problem]
    end = end_of(slug.format)
    where = sum(layer.size for layer in slug.metadata.layers)
    if os.pread(descriptor, len(end), where) != end:
        problems.append("The frame that ends the archive is not what it must be.")
    if problems:
        raise SlugDamagedError(slug.archive, tuple(problems))


def tar_chunks(slug: Slug) -> Iterator[bytes]:
    """The slug as a plain tar stream, end blocks included; verified before it flows."""
    size = sum(layer.size for layer in slug.metadata.layers) + len(end_of(slug.format))
    return _plain(slug, slug.metadata.layers, offset=0, size=size)


def layer_chunks(slug: Slug, layer: Layer) -> Iterator[bytes]:
    """One layer's plain tar bytes, without end blocks; verified before they flow."""
    return _plain(slug, (layer,), offset=layer.offset, size=layer.size)


def _plain(slug: Slug, layers: Iterable[Layer], *, offset: int, size: int) -> Iterator[bytes]:
    from slugc.archive.compression import PlainStream
    from slugc.archive.limits import Limits

    descriptor = open_slug(slug)
    try:
        verify_layers(descriptor, slug, layers)
        frames = Section(descriptor, offset=offset, size=size)
        stream = PlainStream(frames, Limits(packed=size))
        while chunk := stream.read(_CHUNK):
            yield chunk
    finally:
        os.close(descriptor)


def _damage(descriptor: int, layer: Layer) -> str | None:
    digest = hashlib.sha256()
    section = Section(descriptor, offset=layer.offset, size=layer.size)
    while chunk := section.read(_CHUNK):
        digest.update(chunk)
    found = f"sha256:{digest.hexdigest()}"
    if found == layer.digest:
        return None
    return f"Layer '{layer.name}' should be {layer.digest},\n    and is {found}."
