"""Packing a built tree into a slug: unchanged layers are copied, the rest is packed in parallel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.files import publishing
from buildpack.support.values import changed, value
from slugc.archive.judge import TreePath
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.scan import Entry, TreeTooLargeError, biggest, check_links, scan_tree
from slugc.packing.compared import Compared
from slugc.packing.draft import Draft, copy_frame, give_name
from slugc.packing.frames import FrameMaker, file_identity
from slugc.packing.layer_memory import KnownLayer, LayerMemory
from slugc.packing.layers import LAYER_NAMES, plan_layers
from slugc.packing.links import settle_links
from slugc.packing.preparation import Preparation, find_present
from slugc.progress import unwatched
from slugc.slug import Frame, Layer, Slug, SlugFacts, SlugFormat
from slugc.slug_format import encode_trailer, end_of
from slugc.slug_index import encode_index, parse_index
from slugc.store import Store


class SlugNotWrittenError(SlugkitError):
    """The slug file cannot be created."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "slug-not-written"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The slug {printable_path(path)} cannot be written",
            details=found,
            resolution="Give another place with -o, or make room there.",
        )


@value
class WrittenSlug:
    """A slug, and how it came about. ``packed``: the digests of frames that were made for it."""

    slug: Slug
    unchanged: bool
    """The output was this very slug already and was left alone."""
    packed: frozenset[str]
    left_out: Mapping[bytes, bytes] = MappingProxyType({})
    """links to the machine, by path, with their targets"""

    @property
    def reused(self) -> tuple[str, ...]:
        """The layers of which nothing was packed again."""
        return self.slug.layers_without(self.packed)


def write_slug(  # noqa: PLR0913  # all but the first four may be left out
    tree: Path,
    output: Path,
    *,
    facts: SlugFacts,
    store: Store,
    format: SlugFormat = SlugFormat.ZSTD,  # noqa: A002  # the word it is known by
    limits: Limits = DEFAULT_LIMITS,
    prepared: Preparation | None = None,
    watch: Callable[[int], None] = unwatched,
) -> WrittenSlug:
    """Pack ``tree`` into the slug ``output``, which appears whole or not at all.

    The same tree and facts give the same bytes, whatever its path, its times and its owner.
    ``prepared`` knows what the last build packed, and is told what this one does; ``watch`` is
    told how many bytes of files were packed by now.
    """
    store.create()
    with store.packing():
        return _write(tree, output, facts, store, format, limits, prepared, watch)


def _write(  # noqa: PLR0913, PLR0917  # as above
    tree: Path,
    output: Path,
    facts: SlugFacts,
    store: Store,
    format: SlugFormat,  # noqa: A002  # as above
    limits: Limits,
    prepared: Preparation | None,
    watch: Callable[[int], None],
) -> WrittenSlug:
    whole = prepared.memory.whole if prepared else {}
    maker = FrameMaker(store, tree, format, whole=whole, watch=watch)
    found, left_out = _layers(tree, maker, limits, prepared.memory if prepared else None)
    layers = _placed(found)
    packed = sum(layer.size for layer in layers)
    if packed > limits.packed:
        largest = biggest(scan_tree(tree, limits))
        raise TreeTooLargeError("packed bytes", limits.packed, packed, largest)
    slug = _slug(output, facts, layers, format)
    unchanged = _is_there(slug, prepared)
    if not unchanged:
        _publish(slug, facts, store, prepared.draft if prepared else None)
    return WrittenSlug(
        slug=slug, unchanged=unchanged, packed=frozenset(maker.made), left_out=left_out
    )


def _layers(
    tree: Path, maker: FrameMaker, limits: Limits, memory: LayerMemory | None
) -> tuple[tuple[Layer, ...], Mapping[bytes, bytes]]:
    """Every layer, lowest first: known from the last build, or found by a scan; and the links that
    were left out of it."""
    begun = time.time_ns()
    known = memory.unchanged(tree) if memory else {}
    entries = scan_tree(tree, limits, without=_roots(known))
    if _too_large(known, entries, limits):
        known, entries = {}, scan_tree(tree, limits)  # which says what is too large
    entries, left_out = settle_links(tree, entries)
    plans = plan_layers(entries)
    for plan in plans:
        check_links(plan.entries)
    layers = maker.ensure(plans)
    for plan, layer in zip(plans, layers, strict=True):
        if memory and plan.roots:
            memory.note(plan, layer, scanned=begun)
    found = {layer.name: layer for layer in layers}
    found |= {name: unchanged.layer for name, unchanged in known.items()}
    return tuple(found[name] for name in LAYER_NAMES if name in found), left_out


def _roots(known: Mapping[str, KnownLayer]) -> frozenset[TreePath]:
    return frozenset().union(*(layer.roots for layer in known.values()))


def _too_large(known: Mapping[str, KnownLayer], entries: Sequence[Entry], limits: Limits) -> bool:
    """Whether what is known and what was scanned pass the limits together."""
    count = len(entries) + sum(layer.entries for layer in known.values())
    size = sum(entry.size for entry in entries) + sum(layer.size for layer in known.values())
    return count > limits.entries or size > limits.unpacked


def _placed(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers with their offsets, one behind the other."""
    placed, offset = [], 0
    for layer in layers:
        placed.append(changed(layer, offset=offset))
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


def _is_there(slug: Slug, prepared: Preparation | None) -> bool:
    """Whether the output file is this very slug, to the last byte."""
    present = prepared.present if prepared else None
    if present is None or present.identity != file_identity(slug.archive):
        compared = prepared.memory.compared if prepared else Compared()
        present = find_present(slug.archive, compared, slug.metadata)
        compared.keep()
    if present is None:
        return False
    return present.slug.format is slug.format and present.slug.metadata == slug.metadata


def _publish(slug: Slug, facts: SlugFacts, store: Store, draft: Draft | None) -> None:
    index = encode_index(facts, slug.metadata.layers)
    frames = [frame for layer in slug.metadata.layers for frame in layer.parts]
    end = end_of(slug.format) + encode_trailer(slug.format, index)
    try:
        if draft is not None:
            _append(draft.descriptor, frames[draft.keep(frames) :], end, slug, store)
            give_name(draft.descriptor, slug.archive)
            return
        with publishing(slug.archive) as temporary, temporary.open("xb", buffering=0) as out:
            _append(out.fileno(), frames, end, slug, store)
    except OSError as err:
        raise SlugNotWrittenError(slug.archive, err.strerror or str(err)) from err


def _append(out: int, frames: Iterable[Frame], end: bytes, slug: Slug, store: Store) -> None:
    for frame in frames:
        copy_frame(store.frame_file(frame.diff_id, slug.format.suffix), out, frame)
    while end:
        end = end[os.write(out, end) :]
