"""The layers of a slug as layers of an image: its own bytes where the compression is its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from buildpack.support.values import value
from slugc.slug import Layer, Slug
from slugc.slug_format import TAR_END, SlugFormat, end_of
from slugc.slug_verify import Section, layer_chunks, open_slug
from slugc.transfer.image import LAYER_TYPES, Blob, ImageLayer, history_of
from slugc.transfer.layer_notes import LayerNote, LayerNotes
from slugc.transfer.streams import Chunks, Compression, Watched, compressed, facts_of

_CHUNK = 1024 * 1024
_NATIVE = {SlugFormat.ZSTD: Compression.ZSTD, SlugFormat.GZIP: Compression.GZIP}


@value
class Packing:
    """How layers are packed: under which compression, where, and what is known of them."""

    compression: Compression
    scratch: Path
    notes: LayerNotes


def slug_layers(slug: Slug, packing: Packing) -> tuple[ImageLayer, ...]:
    """One layer for each of the slug's. The slug must have been verified."""
    return tuple(_image_layer(slug, layer, packing) for layer in slug.metadata.layers)


def _image_layer(slug: Slug, layer: Layer, packing: Packing) -> ImageLayer:
    tar = partial(layer_tar, slug, layer)
    history = history_of(f"slugc: layer {layer.name} ({layer.digest})")
    if packing.compression is not _NATIVE[slug.format]:
        return packed_layer(tar, packing, key=layer.digest, history=history)
    frames = partial(_frames, slug, layer)
    note = packing.notes.find(f"frames {layer.digest}", packing.compression)
    if note is None:
        note = LayerNote(plain=facts_of(tar()), packed=facts_of(frames()))
        packing.notes.keep(f"frames {layer.digest}", packing.compression, note)
    return _layer(note, packing.compression, frames, tar, history)


def packed_layer(
    tar: Chunks, packing: Packing, *, key: str, history: Mapping[str, object]
) -> ImageLayer:
    """A plain tar as a layer. What it compresses to is kept in the scratch directory, unless it
    is known: then it is compressed again if anybody should want it."""
    compression = packing.compression
    note = packing.notes.find(key, compression)
    read: Chunks = lambda: compressed(tar(), compression)  # noqa: E731  # a stream to be read later
    if note is None and compression is Compression.NONE:
        plain = facts_of(tar())
        note = LayerNote(plain=plain, packed=plain)
        packing.notes.keep(key, compression, note)
    elif note is None:
        file = packing.scratch / f"{len(os.listdir(packing.scratch))}.layer"  # noqa: PTH208
        note, read = _packed(tar, compression, file), partial(file_chunks, file)
        packing.notes.keep(key, compression, note)
    return _layer(note, compression, read, tar, history)


def _packed(tar: Chunks, compression: Compression, file: Path) -> LayerNote:
    plain = Watched(tar())
    with file.open("xb") as out:
        packed = Watched(compressed(plain, compression))
        for chunk in packed:
            out.write(chunk)
    return LayerNote(plain=plain.facts(), packed=packed.facts())


def _layer(
    note: LayerNote,
    compression: Compression,
    read: Chunks,
    tar: Chunks,
    history: Mapping[str, object],
) -> ImageLayer:
    blob = Blob(
        digest=note.packed.digest,
        size=note.packed.size,
        media_type=LAYER_TYPES[compression],
        read=read,
    )
    return ImageLayer(diff_id=note.plain.digest, blob=blob, tar=tar, history=history)


def layer_tar(slug: Slug, layer: Layer) -> Iterator[bytes]:
    """The layer as a tar that stands alone: with its two end blocks."""
    yield from layer_chunks(slug, layer)
    yield TAR_END


def _frames(slug: Slug, layer: Layer) -> Iterator[bytes]:
    """The same, compressed: the very bytes of the slug, and its end frame."""
    descriptor = open_slug(slug)
    try:
        section = Section(descriptor, offset=layer.offset, size=layer.size)
        while chunk := section.read(_CHUNK):
            yield chunk
    finally:
        os.close(descriptor)
    yield end_of(slug.format)


def file_chunks(file: Path, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
    """A file, or a part of it."""
    with file.open("rb") as opened:
        opened.seek(offset)
        left = size if size is not None else 1 << 62
        while left and (chunk := opened.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk
