"""Whether a slug's bytes are what its index says, and its tar stream once they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from slugc.slug import Layer, Slug, SlugDamagedError, SlugMissingError
from slugc.slug_file import open_file
from slugc.slug_format import end_of
from slugc.slug_index import joined

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
        return open_file(slug.archive)
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
    problems = []
    with ThreadPoolExecutor(2) as pool:
        # All are under way before the first is waited for.
        for layer, found in [(layer, _digests(pool, descriptor, layer)) for layer in layers]:
            if problem := _damage(layer, tuple(found)):
                problems.append(problem)
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
    from slugc.archive.errors import ArchiveLimitError
    from slugc.archive.limits import DEFAULT_LIMITS, Limits
    from slugc.archive.plain_stream import PlainStream

    # As large as what it holds, and as the headers in it: 100 kB of frames can be terabytes.
    most, found = 2 * DEFAULT_LIMITS.unpacked, 0
    descriptor = open_slug(slug)
    try:
        verify_layers(descriptor, slug, layers)
        frames = Section(descriptor, offset=offset, size=size)
        stream = PlainStream(frames, Limits(packed=size))
        while chunk := stream.read(_CHUNK):
            found += len(chunk)
            if found > most:
                raise ArchiveLimitError("bytes", most, found)
            yield chunk
    finally:
        os.close(descriptor)


def _digests(pool: Executor, descriptor: int, layer: Layer) -> Iterator[str]:
    """The digests that the layer's frames really have."""
    sections, offset = [], layer.offset
    for frame in layer.parts:
        sections.append(Section(descriptor, offset=offset, size=frame.size))
        offset += frame.size
    return pool.map(_digest, sections)


def _digest(section: Section) -> str:
    digest = hashlib.sha256()
    while chunk := section.read(_CHUNK):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _damage(layer: Layer, found: Sequence[str]) -> str | None:
    """What is wrong with a layer whose frames have these digests: the first, if several are."""
    for number, (frame, digest) in enumerate(zip(layer.parts, found, strict=True), 1):
        if frame.digest != digest:
            name = f"Layer '{layer.name}'"
            if layer.frames:
                name = f"Frame {number} of {len(layer.frames)} of layer '{layer.name}'"
            return f"{name} should be {frame.digest},\n    and is {digest}."
    return None


class PlainDigests:
    """Sees a layer's tar bytes go by, and tells in the end whether they are what they should be."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._sizes = iter([frame.uncompressed_size for frame in layer.parts])
        self._done: list[str] = []
        self._digest = hashlib.sha256()
        self._left = next(self._sizes)

    def update(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while len(view) > self._left and (size := next(self._sizes, 0)):
            self._digest.update(view[: self._left])
            view = view[self._left :]
            self._done.append(f"sha256:{self._digest.hexdigest()}")
            self._digest, self._left = hashlib.sha256(), size
        self._digest.update(view)
        self._left -= len(view)

    def damage(self) -> str | None:
        """What is wrong, when all bytes have gone by."""
        digests = [*self._done, f"sha256:{self._digest.hexdigest()}"]
        wanted = [frame.diff_id for frame in self._layer.parts]
        if digests == wanted:
            return None
        found = digests[0] if len(wanted) == 1 else joined(digests)
        name = f"Layer '{self._layer.name}'"
        return f"{name} should unpack to {self._layer.diff_id},\n    and is {found}."
