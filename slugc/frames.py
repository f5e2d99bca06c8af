"""Compressed layers in the store: made once, recognised by the signature of their tree."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from buildpack.support.errors import SlugkitError
from buildpack.support.files import write_atomically
from buildpack.support.values import value
from slugc.archive.compression import codec_version, new_compressor
from slugc.archive.writer import MODIFIED, tar_bytes
from slugc.json_fields import Fields
from slugc.layers import LayerPlan
from slugc.privileges import hand_over
from slugc.signatures import tree_signature
from slugc.slug import Layer, SlugFormat
from slugc.store import Store, note_use

# Raised by one whenever the packer's bytes change for the same tree.
PACKER = 1
_PIECE = 1024 * 1024


class NoteIllegibleError(SlugkitError):
    """A note in the store cannot be read; it is written anew, nobody sees this."""

    id = "note-illegible"


@value
class Frame:
    """A layer whose frame is in the store. ``reused``: it was there already."""

    layer: Layer
    reused: bool


def ensure_frame(
    store: Store,
    tree: Path,
    plan: LayerPlan,
    format: SlugFormat,  # noqa: A002  # the word it is known by
) -> Frame:
    """Find the layer's frame by its tree's signature, or pack it."""
    signature = tree_signature(tree, plan.entries, salt=frame_salt(format))
    if signature is not None:
        note_use(store.signature_file(signature))
        known = _known_layer(store, signature, plan.name)
        if known is not None and is_whole(store.frame_file(known.diff_id, format.suffix), known):
            note_use(store.frame_file(known.diff_id, format.suffix))
            return Frame(layer=known, reused=True)
    layer = _pack(store, tree, plan, format)
    if signature is not None:
        _note(store.signature_file(signature), layer)
    return Frame(layer=layer, reused=False)


def frame_salt(format: SlugFormat) -> str:  # noqa: A002  # as above
    """What decides a frame's bytes beside the tree."""
    return f"{PACKER} {MODIFIED} {codec_version(format)}"


def _known_layer(store: Store, signature: str, name: str) -> Layer | None:
    """What was noted for this signature; None when nothing, or nothing legible, was."""
    try:
        content = store.signature_file(signature).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return noted_layer(Fields(json.loads(content), error=NoteIllegibleError), name)
    except (ValueError, NoteIllegibleError):
        return None  # the layer is packed again and noted anew


def noted_layer(fields: Fields, name: str) -> Layer:
    """The layer a note tells of, by that name."""
    return Layer(
        name=name,
        diff_id=fields.digest("diff_id"),
        digest=fields.digest("digest"),
        size=fields.number("size"),
        uncompressed_size=fields.number("uncompressed_size"),
        offset=0,
    )


def is_whole(file: Path, layer: Layer) -> bool:
    """Whether the frame in the store is there and as noted. 60 MB cost a twentieth of a second."""
    try:
        with file.open("rb") as frame:
            digest = hashlib.file_digest(frame, "sha256").hexdigest()
            return frame.tell() == layer.size and f"sha256:{digest}" == layer.digest
    except FileNotFoundError:
        return False


def _pack(store: Store, tree: Path, plan: LayerPlan, format: SlugFormat) -> Layer:  # noqa: A002
    """Read the layer's files once, hashing and compressing as they come."""
    with store.temporary_frame() as temporary, temporary.open("wb") as out:
        compressor = new_compressor(format)
        plain, packed = hashlib.sha256(), hashlib.sha256()
        plain_size = 0
        for piece in _in_pieces(tar_bytes(tree, plan.entries)):
            plain.update(piece)
            plain_size += len(piece)
            _write(out, packed, compressor.compress(piece))
        _write(out, packed, compressor.finish())
        layer = Layer(
            name=plan.name,
            diff_id=f"sha256:{plain.hexdigest()}",
            digest=f"sha256:{packed.hexdigest()}",
            size=out.tell(),
            uncompressed_size=plain_size,
            offset=0,
        )
        out.flush()
        temporary.replace(store.frame_file(layer.diff_id, format.suffix))
    return layer


def _write(out: BinaryIO, digest: hashlib._Hash, data: bytes) -> None:
    if data:
        digest.update(data)
        out.write(data)


def _in_pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Headers and small files joined to pieces worth hashing and compressing."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= _PIECE:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _note(file: Path, layer: Layer) -> None:
    note = {
        "diff_id": layer.diff_id,
        "digest": layer.digest,
        "size": layer.size,
        "uncompressed_size": layer.uncompressed_size,
    }
    write_atomically(file, json.dumps(note))
    hand_over(file)
