"""What is known of a layer is not found out again, and a broken note is no knowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

from slugc.slug import Layer, Slug
from slugc.transfer import layer_notes, slug_layers
from slugc.transfer.export import export_slug
from slugc.transfer.layer_notes import LayerNote, LayerNotes
from slugc.transfer.streams import Compression, Facts
from tests.unit.slugc.transfer.made import make_slug, names, request, rootfs

NOTE = LayerNote(
    plain=Facts(digest="sha256:" + "a" * 64, size=3),
    packed=Facts(digest="sha256:" + "b" * 64, size=2),
)


def test_notes_are_kept_by_layer_and_compression(tmp_path: Path) -> None:
    notes = LayerNotes(tmp_path / "notes")
    assert notes.find("x", Compression.GZIP) is None
    notes.keep("x", Compression.GZIP, NOTE)
    assert notes.find("x", Compression.GZIP) == NOTE
    assert notes.find("x", Compression.ZSTD) is None
    assert notes.find("y", Compression.GZIP) is None
    assert LayerNotes(None).find("x", Compression.GZIP) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"plain": 3}', b"\xff"])
def test_a_broken_note_is_no_note(tmp_path: Path, content: bytes) -> None:
    notes = LayerNotes(tmp_path)
    notes.keep("x", Compression.NONE, NOTE)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert notes.find("x", Compression.NONE) is None


def test_notes_do_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_notes, "MOST_NOTES", 6)
    notes = LayerNotes(tmp_path)
    for number in range(20):
        notes.keep(str(number), Compression.NONE, NOTE)
    assert len(names(tmp_path)) <= 6
    assert notes.find("19", Compression.NONE) == NOTE


def test_a_second_export_decompresses_nothing_to_hash_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = make_slug(tmp_path)
    base = str(rootfs(tmp_path / "root.tar"))
    first = export_slug(slug, request(tmp_path, "oci:a", stack_image=base), print)

    def refuse(_slug: Slug, layer: Layer) -> None:
        raise AssertionError(f"{layer.name} was read")

    monkeypatch.setattr(slug_layers, "layer_chunks", refuse)
    second = export_slug(slug, request(tmp_path, "oci:b", stack_image=base), print)
    assert first.digest == second.digest
