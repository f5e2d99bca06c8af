"""What flows out of a slug was compared with its digests before."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from slugc.archive import limits
from slugc.archive.errors import ArchiveLimitError
from slugc.archive.limits import Limits
from slugc.packing.slug_writer import write_slug
from slugc.slug import Slug, SlugDamagedError, SlugFormat
from slugc.slug_format import TAR_END
from slugc.slug_verify import layer_chunks, tar_chunks
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, make_tree


@pytest.fixture(params=list(SlugFormat))
def slug(tmp_path: Path, request: pytest.FixtureRequest) -> Slug:
    tree = make_tree(tmp_path / "tree")
    store = Store(tmp_path / "store")
    return write_slug(
        tree, tmp_path / "x.slug", facts=FACTS, store=store, format=request.param
    ).slug


def test_layers_and_the_end_are_the_whole_stream(slug: Slug) -> None:
    layers = [b"".join(layer_chunks(slug, layer)) for layer in slug.metadata.layers]
    assert b"".join(layers) + TAR_END == b"".join(tar_chunks(slug))
    assert [len(layer) for layer in layers] == [
        layer.uncompressed_size for layer in slug.metadata.layers
    ]
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    assert digests == [layer.diff_id for layer in slug.metadata.layers]


def test_a_damaged_layer_does_not_flow_and_the_others_do(slug: Slug) -> None:
    first, second = slug.metadata.layers[:2]
    content = bytearray(slug.archive.read_bytes())
    content[second.offset + second.size // 2] ^= 1
    slug.archive.write_bytes(content)
    assert b"".join(layer_chunks(slug, first))
    with pytest.raises(SlugDamagedError):
        next(layer_chunks(slug, second))
    with pytest.raises(SlugDamagedError):
        next(tar_chunks(slug))


def test_a_bomb_ends_where_no_slug_is_as_large(slug: Slug, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(b"".join(tar_chunks(slug)))
    monkeypatch.setattr(limits, "DEFAULT_LIMITS", Limits(unpacked=whole // 2))
    assert len(b"".join(tar_chunks(slug))) == whole
    monkeypatch.setattr(limits, "DEFAULT_LIMITS", Limits(unpacked=whole // 2 - 1))
    with pytest.raises(ArchiveLimitError):
        b"".join(tar_chunks(slug))
