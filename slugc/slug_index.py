"""The index of a slug: metadata as canonical JSON, found with one seek from the file's end."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard

from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import NOTHING, value
from slugc.json_fields import LARGEST, Fields
from slugc.procfile import ProcessType, is_process_type
from slugc.short_digest import hex_sha256
from slugc.slug import SCHEMA, BuildpackRecord, Frame, Layer, SlugFacts, SlugMetadata
from slugc.slug_errors import (
    NotASlugError,
    SlugIndexError,
    SlugMissingError,
    SlugSchemaError,
    SlugTruncatedError,
)
from slugc.slug_file import open_file
from slugc.slug_format import (
    GZIP_MAGIC,
    ZSTD_MAGIC,
    SlugFormat,
    decode_footer,
    decode_trailer,
    end_of,
)
from slugc.slug_texts import is_text, name_from, parse_name
from slugc.stack import Stack

TAIL = 64 * 1024  # an index is 2 to 20 KiB; what does not fit into the first read takes a second
MAX_INDEX = 16 * 1024 * 1024
_SHA256 = "sha256:"
_HEX = re.compile(r"[0-9a-f]+")
_HEX_LENGTH = 64


@value
class Index:
    """The index as it lies in the file. ``frames_end`` is where the layers' frames stop."""

    format: SlugFormat
    document: bytes
    frames_end: int


def read_index(path: Path) -> Index:
    """Find and read the index: one seek from the end."""
    try:
        with os.fdopen(open_file(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL))
            tail = file.read(TAIL)
            head = os.pread(file.fileno(), 4, 0)
            footer = decode_footer(tail)
            if footer is None:
                raise _no_footer(path, head, size)
            kind, length = footer
            if length > min(size - len(end_of(kind)), MAX_INDEX):
                raise SlugIndexError(path, f"it claims {length:,} bytes of a file of {size:,}")
            trailer = tail[-length:]
            if length > len(tail):
                trailer = os.pread(file.fileno(), length, size - length)
    except OSError as err:
        raise SlugMissingError(path, err.strerror or str(err)) from err
    document = decode_trailer(kind, trailer)
    if document is None:
        raise SlugIndexError(path, "its frame is not as the format demands")
    return Index(format=kind, document=document, frames_end=size - length - len(end_of(kind)))


def encode_index(facts: SlugFacts, layers: tuple[Layer, ...]) -> bytes:
    """The index of a slug with these facts and layers, checksum included."""
    document: dict[str, object] = {
        "schema": SCHEMA,
        "name": facts.name,
        "stack": _stack_document(facts.stack),
        "buildpacks": [_buildpack_document(record) for record in facts.buildpacks],
        "process_types": dict(facts.process_types),
        "config_vars": dict(facts.config_vars),
        "python_version": facts.python_version,
        "commit": facts.commit,
        "layers": [_layer_document(layer) for layer in layers],
    }
    if facts.materials:
        document["materials"] = dict(facts.materials)
    document["checksum"] = checksum_of(document)
    return canonical(document)


def joined(digests: Iterable[str]) -> str:
    """The one digest of a list of digests: sha256 over each of them and a line feed."""
    lines = "".join(f"{digest}\n" for digest in digests)
    return "sha256:" + hex_sha256(lines.encode("ascii"))


def _stack_document(stack: Stack) -> dict[str, object]:
    return {
        "id": stack.id,
        "distribution": stack.distribution,
        "glibc": stack.glibc,
        "arch": stack.arch,
    }


def _buildpack_document(record: BuildpackRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "version": record.version,
        "digest": record.digest,
        "source": record.source,
    }


def _layer_document(layer: Layer) -> dict[str, object]:
    document: dict[str, object] = {
        "name": layer.name,
        "diff_id": layer.diff_id,
        "digest": layer.digest,
        "size": layer.size,
        "uncompressed_size": layer.uncompressed_size,
        "offset": layer.offset,
    }
    if layer.frames:
        document["frames"] = encode_frames(layer.frames)
    return document


def encode_frames(frames: Iterable[Frame]) -> list[list[object]]:
    """Frames as they lie in an index: a list for each, without what is the same for all."""
    return [
        [
            frame.diff_id.removeprefix(_SHA256),
            frame.digest.removeprefix(_SHA256),
            frame.size,
            frame.uncompressed_size,
        ]
        for frame in frames
    ]


def canonical(document: Mapping[str, object]) -> bytes:
    """One spelling for each document: sorted keys, no spaces, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def checksum_of(document: Mapping[str, object]) -> str:
    """The identity of a slug: sha256 over its whole index but the checksum itself."""
    rest = {key: value for key, value in document.items() if key != "checksum"}
    return "sha256:" + hex_sha256(canonical(rest))


def parse_index(content: bytes, *, path: Path, frames_end: int) -> SlugMetadata:
    """The metadata in an index. Keys we do not know are covered by the checksum and kept out."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise SlugIndexError(path, f"it is not JSON ({err})") from err
    fields = Fields(document, error=lambda found: SlugIndexError(path, found))
    schema = fields.mapping.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise SlugSchemaError(path, schema, SCHEMA)
    if canonical(fields.mapping) != content:
        raise SlugIndexError(path, "it is not in canonical form")
    if fields.text("checksum") != checksum_of(fields.mapping):
        raise SlugIndexError(path, "its checksum does not match")
    if not is_text(fields.mapping, content):
        raise SlugIndexError(path, "it holds half of a character")
    metadata = SlugMetadata(
        name=parse_name(fields) or name_from(path),
        stack=_parse_stack(fields.below("stack")),
        buildpacks=tuple(_parse_buildpack(each) for each in fields.each("buildpacks")),
        process_types=_parse_process_types(fields.below("process_types")),
        config_vars=fields.below("config_vars").texts(),
        layers=tuple(
            parse_layer(each, name=each.text("name"), offset=each.number("offset"))
            for each in fields.each("layers")
        ),
        python_version=fields.optional_text("python_version"),
        commit=fields.optional_text("commit"),
        materials=_parse_materials(fields),
        checksum=fields.text("checksum"),
    )
    _check_layout(metadata.layers, path, frames_end)
    return metadata


def _parse_materials(fields: Fields) -> Mapping[str, str]:
    return fields.below("materials").texts() if "materials" in fields.mapping else NOTHING


def _parse_stack(fields: Fields) -> Stack:
    return Stack(
        id=fields.text("id"),
        distribution=fields.text("distribution"),
        glibc=fields.text("glibc"),
        arch=fields.text("arch"),
    )


def _parse_buildpack(fields: Fields) -> BuildpackRecord:
    return BuildpackRecord(
        name=fields.text("name"),
        version=fields.text("version"),
        digest=fields.text("digest"),
        source=fields.text("source"),
    )


def _parse_process_types(fields: Fields) -> Mapping[ProcessType, str]:
    texts = fields.texts()
    for name in texts:
        if not is_process_type(name):
            raise fields.wrong(name, "a process type")
    return MappingProxyType({ProcessType(name): command for name, command in texts.items()})


def parse_layer(fields: Fields, *, name: str, offset: int) -> Layer:
    """A layer, in an index or a note. What it says of itself is what its frames say."""
    layer = Layer(
        name=name,
        diff_id=fields.digest("diff_id"),
        digest=fields.digest("digest"),
        size=fields.number("size"),
        uncompressed_size=fields.number("uncompressed_size"),
        offset=offset,
        frames=_parse_frames(fields) if "frames" in fields.mapping else (),
    )
    if layer.frames and layer_of(name, layer.frames, offset=offset) != layer:
        raise fields.wrong("frames", "what the layer is made of")
    return layer


def layer_of(name: str, frames: Sequence[Frame], *, offset: int = 0) -> Layer:
    """The layer that these frames make."""
    several = len(frames) > 1
    return Layer(
        name=name,
        diff_id=joined(x.diff_id for x in frames) if several else frames[0].diff_id,
        digest=joined(x.digest for x in frames) if several else frames[0].digest,
        size=sum(x.size for x in frames),
        uncompressed_size=sum(x.uncompressed_size for x in frames),
        offset=offset,
        frames=tuple(frames) if several else (),
    )


def _parse_frames(fields: Fields) -> tuple[Frame, ...]:
    rows = fields.mapping["frames"]
    if not _are_frames(rows):
        raise fields.wrong("frames", "a list of frames")
    return tuple(
        Frame(
            diff_id=_SHA256 + diff_id,
            digest=_SHA256 + digest,
            size=size,
            uncompressed_size=uncompressed_size,
        )
        for diff_id, digest, size, uncompressed_size in rows
    )


def _are_frames(rows: object) -> TypeGuard[list[list[Any]]]:
    """Checked in the fewest steps: there may be hundreds, and every container start waits."""
    if not isinstance(rows, list) or len(rows) < 2:
        return False
    hexes = []
    for row in rows:
        if not isinstance(row, list) or [*map(type, row)] != [str, str, int, int]:
            return False
        if not (len(row[0]) == len(row[1]) == _HEX_LENGTH and 0 < row[2] <= LARGEST):
            return False
        if not 0 < row[3] <= LARGEST:
            return False
        hexes += row[:2]
    return _HEX.fullmatch("".join(hexes)) is not None


def _check_layout(layers: tuple[Layer, ...], path: Path, frames_end: int) -> None:
    """The frames lie one after the other, from the first byte to the end frame."""
    position = 0
    for layer in layers:
        if layer.offset != position:
            raise SlugIndexError(path, f"layer '{printable(layer.name)}' lies at a wrong place")
        position += layer.size
    if position != frames_end:
        raise SlugIndexError(
            path, f"its layers take {position:,} bytes, the file has {frames_end:,} for them"
        )


def _no_footer(path: Path, head: bytes, size: int) -> SlugkitError:
    if size == 0:
        return NotASlugError(path, "It is empty.")
    if head.startswith((ZSTD_MAGIC, GZIP_MAGIC)) and _begins_as_slug(path):
        return SlugTruncatedError(path, size)
    shown = printable(head)
    return NotASlugError(path, f"It begins with '{shown}' and has no slug's index at its end.")


def _begins_as_slug(path: Path) -> bool:
    """Whether the first tar header is ``./app/``, which is how every slug begins."""
    from slugc.archive.plain_stream import first_bytes

    return first_bytes(path, 6) == b"./app/"
