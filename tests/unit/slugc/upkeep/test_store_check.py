"""A store that is whole is found so, and a byte that changed is found too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.packing.slug_writer import write_slug
from slugc.slug import SlugFormat
from slugc.store import Store
from slugc.store_check import StoreDamagedError, require_whole_store, verify_store
from tests.unit.slugc.trees import FACTS, make_tree


@pytest.fixture
def store(open_dir: Path) -> Store:
    store = Store(open_dir / "store")
    tree = make_tree(open_dir / "tree")
    for format in SlugFormat:  # noqa: A001  # the word it is known by
        slug = write_slug(
            tree,
            open_dir / f"x{format.suffix}",
            facts=FACTS,
            store=store,
            format=format,
        ).slug
        store.ensure_layers(slug)
    return store


def test_a_store_that_is_whole(store: Store) -> None:
    found = require_whole_store(store)
    assert found.problems == ()
    assert found.frames == 6, "three layers in two formats"
    assert found.layers == 3


def test_no_store_is_whole(open_dir: Path) -> None:
    assert verify_store(Store(open_dir / "none")).problems == ()


def test_a_large_layer_of_several_frames_is_whole(open_dir: Path) -> None:
    store = Store(open_dir / "store")
    files = {f"node_modules/p{n}/a": os.urandom(300_000).hex() for n in range(40)}
    tree = make_tree(open_dir / "tree", files)
    slug = write_slug(tree, open_dir / "x.slug", facts=FACTS, store=store).slug
    assert any(len(layer.parts) > 1 for layer in slug.metadata.layers)
    store.ensure_layers(slug)
    assert verify_store(store).problems == ()


def test_every_frame_that_was_changed_is_named(store: Store) -> None:
    changed = sorted((store.root / "frames").iterdir())
    for frame in changed:
        content = bytearray(frame.read_bytes())
        content[len(content) // 2] ^= 0x20
        frame.write_bytes(content)
    found = verify_store(store)
    assert [problem.split(":")[0] for problem in found.problems] == [
        f"frames/{frame.name}" for frame in changed
    ]


@pytest.mark.parametrize("change", ["content", "missing", "more", "mode", "link"])
def test_a_layer_that_was_changed_is_named(store: Store, change: str) -> None:
    file = next((store.root / "layers").glob("*/app.py"))
    match change:
        case "content":
            file.write_text("print('hallo')\n")
        case "missing":
            file.unlink()
        case "more":
            file.with_name("more.py").write_text("")
        case "mode":
            file.chmod(0o755)
        case _:
            file.unlink()
            file.symlink_to("/etc/passwd")
    (problem,) = verify_store(store).problems
    assert problem.startswith(f"layers/{file.parent.name}: ")


def test_what_does_not_belong_is_named(store: Store) -> None:
    (store.root / "frames" / "notes.txt").write_text("x")
    (store.root / "layers" / ("a" * 64)).write_text("x")
    (store.root / "frames" / ".1.abcd.tmp").write_text("being made")
    with pytest.raises(StoreDamagedError) as caught:
        require_whole_store(store)
    assert caught.value.exit_code == ExitCode.CHECKSUM
    assert caught.value.text() == (
        f"The store {store.root} is not as it should be\n\n"
        "frames/notes.txt: this is not the name of a frame\n"
        f"layers/{'a' * 64}: it is not a directory\n\n"
        "Builds and containers may use it as it lies. Empty the store:\n\n"
        "    slugc prune --older-than 0"
    )
