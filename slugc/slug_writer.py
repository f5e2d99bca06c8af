"""Packing a built tree into a slug: unchanged layers are copied, the rest is packed in parallel."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.files import publishing
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.scan import TreeTooLargeError, biggest, check_links, scan_tree
from slugc.frames import ensure_frame
from slugc.layers import plan_layers
from slugc.slug import Layer, Slug, SlugFacts, SlugFormat, read_slug, verify_slug
from slugc.slug_errors import (
    NotASlugError,
    SlugDamagedError,
    SlugIndexError,
    SlugMissingError,
    SlugSchemaError,
    SlugTruncatedError,
)
from slugc.slug_format import encode_trailer, end_of
from slugc.slug_index import encode_index, parse_index
from slugc.store import Store

_WORKERS = 2  # layers packed at once; each compresses with threads of its own


class SlugNotWrittenError(SlugkitError):
    """The slug file cannot be created."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "slug-not-written"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The slug {printable(str(path))} cannot be written",
            details=found,
            resolution="Give another place with -o, or make room there.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSlug:
    """A slug, and how it came about. ``reused`` names the layers that were not packed again."""

    slug: Slug
    unchanged: bool
    """The output was this very slug already and was left alone."""
    reused: tuple[str, ...]


def write_slug(
    tree: Path,
    output: Path,
    *,
    facts: SlugFacts,
    store: Store,
    format: SlugFormat = SlugFormat.ZSTD,  # noqa: A002  # the word it is known by
    limits: Limits = DEFAULT_LIMITS,
) -> WrittenSlug:
    """Pack ``tree`` into the slug ``output``, which appears whole or not at all.

    The same tree and facts give the same bytes, whatever its path, its times and its owner.
    """
    store.create()
    plans = plan_layers(scan_tree(tree, limits))
    for plan in plans:
        check_links(plan.entries)
    with ThreadPoolExecutor(_WORKERS) as pool:
        frames = tuple(pool.map(lambda plan: ensure_frame(store, tree, plan, format), plans))
    layers = _placed(tuple(frame.layer for frame in frames))
    packed = sum(layer.size for layer in layers)
    if packed > limits.packed:
        entries = (entry for plan in plans for entry in plan.entries)
        raise TreeTooLargeError("packed bytes", limits.packed, packed, biggest(entries))
    slug = _slug(output, facts, layers, format)
    unchanged = _is_there(slug)
    if not unchanged:
        _publish(slug, facts, store)
    reused = tuple(frame.layer.name for frame in frames if frame.reused)
    return WrittenSlug(slug=slug, unchanged=unchanged, reused=reused)


def _placed(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers with their offsets, one behind the other."""
    placed, offset = [], 0
    for layer in layers:
        placed.append(replace(layer, offset=offset))
        offset += layer.size
    return tuple(placed)


def _slug(
    output: Path,
    facts: SlugFacts,
    layers: tuple[Layer, ...],
    format: SlugFormat,  # noqa: A002  # as above
) -> Slug:
    size = sum(layer.size for layer in layers)
    metadata = parse_index(encode_index(facts, layers), path=output, frames_end=size)
    return Slug(archive=output, metadata=metadata, format=format)


def _is_there(slug: Slug) -> bool:
    """Whether the output file is this very slug, to the last byte."""
    try:
        found = read_slug(slug.archive)
        if found.format is not slug.format or found.metadata != slug.metadata:
            return False
        verify_slug(found)
    except (
        NotASlugError,
        SlugDamagedError,
        SlugIndexError,
        SlugMissingError,
        SlugSchemaError,
        SlugTruncatedError,
    ):
        return False
    return True


def _publish(slug: Slug, facts: SlugFacts, store: Store) -> None:
    index = encode_index(facts, slug.metadata.layers)
    try:
        with publishing(slug.archive) as temporary, temporary.open("xb", buffering=0) as out:
            for layer in slug.metadata.layers:
                _copy(store.frame_file(layer.diff_id, slug.format.suffix), out.fileno(), layer)
            out.write(end_of(slug.format) + encode_trailer(slug.format, index))
    except OSError as err:
        raise SlugNotWrittenError(slug.archive, err.strerror or str(err)) from err


def _copy(frame: Path, out: int, layer: Layer) -> None:
    """Append a frame without its bytes passing through us."""
    source = os.open(frame, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        left = layer.size
        while left:
            copied = os.sendfile(out, source, None, left)
            if not copied:
                raise OSError(f"the frame {frame.name} in the store is cut short")
            left -= copied
    finally:
        os.close(source)
