"""Slugs that were cut, flipped or forged: refused before a byte is unpacked."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode, SlugkitError
from slugc.packing.slug_writer import write_slug
from slugc.slug import Slug, SlugFormat, read_slug, verify_slug
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, SMALL, make_tree

FORMATS = pytest.mark.parametrize("kind", list(SlugFormat))
CUTS = 64
FLIPS = 200


def a_slug(tmp_path: Path, kind: SlugFormat) -> Slug:
    tree = make_tree(
        tmp_path / "tree", {**SMALL, "data.bin": random.Random(1).randbytes(9000).hex()}
    )
    store = Store(tmp_path / "packed")
    return write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store, format=kind).slug


def assert_refused(path: Path, store: Store) -> None:
    """Reading, verifying and unpacking all say so, in our words, and nothing is unpacked."""
    with pytest.raises(SlugkitError) as caught:
        verify_slug(read_slug(path))
    assert caught.value.exit_code is ExitCode.DATA
    with pytest.raises(SlugkitError):
        store.ensure_layers(read_slug(path))
    layers = store.root / "layers"
    assert not layers.exists() or list(layers.iterdir()) == []


@FORMATS
def test_slug_cut_anywhere_is_refused(tmp_path: Path, kind: SlugFormat, open_dir: Path) -> None:
    slug, store = a_slug(tmp_path, kind), Store(open_dir / "store")
    content = slug.archive.read_bytes()
    for number in range(CUTS):
        slug.archive.write_bytes(content[: len(content) * number // CUTS])
        assert_refused(slug.archive, store)


@FORMATS
def test_slug_with_one_bit_flipped_is_refused(
    tmp_path: Path, kind: SlugFormat, open_dir: Path
) -> None:
    slug, store = a_slug(tmp_path, kind), Store(open_dir / "store")
    content = slug.archive.read_bytes()
    source = random.Random(42)
    for _ in range(FLIPS):
        flipped = bytearray(content)
        flipped[source.randrange(len(content))] ^= 1 << source.randrange(8)
        slug.archive.write_bytes(flipped)
        assert_refused(slug.archive, store)


@FORMATS
def test_every_bit_after_the_layers_counts(tmp_path: Path, kind: SlugFormat) -> None:
    """End frame, index and footer: nothing there may be anything but what it is."""
    slug = a_slug(tmp_path, kind)
    content = slug.archive.read_bytes()
    for position in range(sum(layer.size for layer in slug.metadata.layers), len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        slug.archive.write_bytes(flipped)
        with pytest.raises(SlugkitError):
            verify_slug(read_slug(slug.archive))


@FORMATS
def test_slug_with_something_added_is_refused(tmp_path: Path, kind: SlugFormat) -> None:
    slug = a_slug(tmp_path, kind)
    content = slug.archive.read_bytes()
    middle = slug.metadata.layers[1].offset
    for changed in (content + b"x", b"x" + content, content[:middle] + b"x" + content[middle:]):
        slug.archive.write_bytes(changed)
        with pytest.raises(SlugkitError):
            verify_slug(read_slug(slug.archive))


@FORMATS
def test_two_slugs_in_one_file_are_refused(tmp_path: Path, kind: SlugFormat) -> None:
    slug = a_slug(tmp_path, kind)
    slug.archive.write_bytes(slug.archive.read_bytes() * 2)
    with pytest.raises(SlugkitError):
        read_slug(slug.archive)
