"""Frames that are damaged, or are not what the index says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slugc.slug import Slug, SlugDamagedError, SlugIndexError, read_slug, verify_slug
from slugc.slug_format import decode_trailer, encode_trailer, end_of
from slugc.slug_index import canonical, checksum_of, joined
from slugc.store import Store
from tests.unit.slugc.packing.parts import dependencies, pack

pytestmark = pytest.mark.usefixtures("small_parts")


def _other_frames(
    slug: Slug, change: Callable[[list[list[object]]], object], *, honest: bool
) -> Path:
    """The slug with a changed list of frames; ``honest`` makes the layer's digests fit it."""
    layers_end = sum(layer.size for layer in slug.metadata.layers)
    content = slug.archive.read_bytes()
    trailer = content[layers_end + len(end_of(slug.format)) :]
    index = decode_trailer(slug.format, trailer)
    assert index is not None
    document = json.loads(index)
    layer = document["layers"][1]
    change(layer["frames"])
    if honest:
        layer["diff_id"] = joined(f"sha256:{row[0]}" for row in layer["frames"])
        layer["digest"] = joined(f"sha256:{row[1]}" for row in layer["frames"])
    document["checksum"] = checksum_of(document)
    changed = encode_trailer(slug.format, canonical(document))
    slug.archive.write_bytes(content[: -len(trailer)] + changed)
    return slug.archive


def _set(row: int, column: int, value: object) -> Callable[[list[list[object]]], object]:
    return lambda rows: rows[row].__setitem__(column, value)


def test_a_damaged_frame_is_named(tree: Path, store: Store) -> None:
    slug = pack(tree, store).slug
    layer = dependencies(slug)
    content = bytearray(slug.archive.read_bytes())
    at = layer.offset + layer.frames[0].size + 20
    content[at] ^= 1
    slug.archive.write_bytes(content)
    with pytest.raises(SlugDamagedError) as caught:
        verify_slug(slug)
    lines = caught.value.details.splitlines()
    wanted = layer.frames[1].digest
    assert lines[0] == (
        f"Frame 2 of {len(layer.frames)} of layer 'dependencies' should be {wanted},"
    )
    assert lines[1].startswith("    and is sha256:")
    assert len(lines) == 2
    with pytest.raises(SlugDamagedError):
        store.ensure_layers(slug)
    assert list((store.root / "layers").iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.clear(),
        lambda rows: rows.__delitem__(slice(1, None)),
        lambda rows: rows[0].pop(),
        lambda rows: rows[0].append(1),
        lambda rows: rows.append("frame"),
        _set(0, 0, "../x"),
        _set(0, 0, "A" * 64),
        _set(0, 1, "a" * 63),
        _set(0, 1, None),
        _set(0, 2, 0),
        _set(0, 2, -1),
        _set(0, 2, True),
        _set(0, 2, 1.5),
        _set(0, 3, 0),
    ],
)
def test_frames_that_are_none_are_refused(
    tree: Path, store: Store, change: Callable[[list[list[object]]], object]
) -> None:
    path = _other_frames(pack(tree, store).slug, change, honest=False)
    with pytest.raises(SlugIndexError) as caught:
        read_slug(path)
    assert caught.value.found == "'layers[1].frames' is not a list of frames"


@pytest.mark.parametrize(
    ("change", "honest"),
    [
        (_set(0, 0, "0" * 64), False),
        (_set(0, 1, "0" * 64), False),
        (_set(0, 2, 1), True),
        (_set(0, 3, 1), True),
        (lambda rows: rows.reverse(), False),
    ],
)
def test_frames_that_do_not_make_the_layer_are_refused(
    tree: Path, store: Store, change: Callable[[list[list[object]]], object], honest: bool
) -> None:
    path = _other_frames(pack(tree, store).slug, change, honest=honest)
    with pytest.raises(SlugIndexError) as caught:
        read_slug(path)
    assert caught.value.found == "'layers[1].frames' is not what the layer is made of"


def test_a_frame_that_unpacks_to_something_else_leaves_nothing(tree: Path, store: Store) -> None:
    path = _other_frames(pack(tree, store).slug, _set(1, 0, "0" * 64), honest=True)
    slug = read_slug(path)
    verify_slug(slug)  # its compressed bytes are what the index says
    with pytest.raises(SlugDamagedError) as caught:
        store.ensure_layers(slug)
    assert caught.value.details.startswith("Layer 'dependencies' should unpack to sha256:")
    names = [path.name for path in (store.root / "layers").iterdir()]
    assert dependencies(slug).diff_id.removeprefix("sha256:") not in names
    assert not [name for name in names if name.startswith(".")]


def test_parts_that_are_cut_elsewhere_than_stated_are_refused(tree: Path, store: Store) -> None:
    slug = pack(tree, store).slug
    layer = dependencies(slug)
    first, second = layer.frames[:2]
    moved = (
        replace(first, uncompressed_size=first.uncompressed_size + 512),
        replace(second, uncompressed_size=second.uncompressed_size - 512),
        *layer.frames[2:],
    )
    layers = tuple(
        replace(each, frames=moved) if each == layer else each for each in slug.metadata.layers
    )
    with pytest.raises(SlugDamagedError):
        store.ensure_layers(replace(slug, metadata=replace(slug.metadata, layers=layers)))


def test_reading_an_index_of_a_hundred_frames_takes_no_time(tree: Path, store: Store) -> None:
    """Every container start waits for it; asked of the processor's time, which is ours alone."""
    import time

    slug = pack(tree, store).slug
    rows = [[f"{n:064x}", f"{n:064x}", 1, 1] for n in range(100)]
    layer = dependencies(slug)
    path = _other_frames(
        slug,
        lambda found: found.__setitem__(
            slice(None),
            [
                *rows,
                ["f" * 64, "f" * 64, layer.size - 100, layer.uncompressed_size - 100],
            ],
        ),
        honest=True,
    )
    read_slug(path)
    started = time.process_time()
    for _ in range(10):
        read_slug(path)
    assert (time.process_time() - started) / 10 < 0.01
    assert path.stat().st_size - sum(x.size for x in slug.metadata.layers) < 32 * 1024
