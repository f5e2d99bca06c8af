"""Packing layers while a build goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.scan import scan_tree
from slugc.packing import early as early_packing
from slugc.packing.early import EarlyPacker, is_still
from slugc.packing.layer_memory import LayerMemory
from slugc.packing.layers import plan_layers
from slugc.packing.preparation import Preparation
from slugc.packing.slug_writer import write_slug
from slugc.slug import SlugFacts, SlugFormat
from slugc.stack import Stack
from slugc.store import Store
from tests.waiting import until

STACK = Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64")
FACTS = SlugFacts(
    name="app",
    stack=STACK,
    buildpacks=(),
    process_types={},
    config_vars={},
    python_version=None,
    commit=None,
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_packing, "FIRST_LOOK", 0.0)
    monkeypatch.setattr(early_packing, "PAUSE", 0.001)
    monkeypatch.setattr(early_packing, "STILL", 0.02)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / ".heroku" / "python" / "bin").mkdir(parents=True)
    (tree / ".heroku" / "python" / "bin" / "python").write_bytes(b"program")
    (tree / "app.py").write_bytes(b"app")
    return tree


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def watch(tree: Path, store: Store, *, seconds: float = 20.0) -> frozenset[str]:
    with EarlyPacker(tree, store, SlugFormat.ZSTD, DEFAULT_LIMITS) as early:
        deadline = time.monotonic() + seconds
        while not early.packed and time.monotonic() < deadline:
            time.sleep(0.001)
    return early.packed


def reused(tree: Path, store: Store, output: Path) -> tuple[str, ...]:
    return write_slug(tree, output, facts=FACTS, store=store).reused


def test_a_layer_that_stays_as_it_is_is_packed_once(
    tree: Path, store: Store, tmp_path: Path
) -> None:
    assert len(watch(tree, store)) == 1
    assert reused(tree, store, tmp_path / "x.slug") == ("runtime",)


def test_a_layer_that_changes_afterwards_is_packed_again(
    tree: Path, store: Store, tmp_path: Path
) -> None:
    watch(tree, store)
    (tree / ".heroku" / "python" / "bin" / "python").write_bytes(b"Program")
    assert reused(tree, store, tmp_path / "x.slug") == ()


def test_the_slug_is_the_same_with_and_without(tree: Path, store: Store, tmp_path: Path) -> None:
    write_slug(tree, tmp_path / "without.slug", facts=FACTS, store=Store(tmp_path / "other"))
    watch(tree, store)
    write_slug(tree, tmp_path / "with.slug", facts=FACTS, store=store)
    found = [(tmp_path / name).read_bytes() for name in ("with.slug", "without.slug")]
    assert found[0] == found[1]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that layers are said to be finished in; nothing is packed without a word."""
    monkeypatch.setattr(early_packing, "FIRST_LOOK", 3600.0)
    (tmp_path / "finished").mkdir()
    return tmp_path / "finished"


def packed_when_told(
    tree: Path, store: Store, told: Path, *, memory: LayerMemory | None = None
) -> frozenset[str]:
    early = EarlyPacker(tree, store, SlugFormat.ZSTD, DEFAULT_LIMITS, finished=told, memory=memory)
    with early:
        time.sleep(0.05)
        assert not early.packed
        (told / "runtime").touch()
        until(lambda: early.packed)
    return early.packed


def test_a_layer_is_packed_when_it_is_said_to_be_finished(
    tree: Path, store: Store, told: Path, tmp_path: Path
) -> None:
    assert len(packed_when_told(tree, store, told)) == 1
    assert reused(tree, store, tmp_path / "x.slug") == ("runtime",)


def test_a_word_about_no_layer_is_passed_over(tree: Path, store: Store, told: Path) -> None:
    for name in ("app", "Runtime", "other"):
        (told / name).touch()
    assert len(packed_when_told(tree, store, told)) == 1


def test_a_layer_packed_early_is_not_scanned_again(
    tree: Path, store: Store, told: Path, tmp_path: Path
) -> None:
    memory = LayerMemory(tmp_path / "seals", store=store, format=SlugFormat.ZSTD)
    packed_when_told(tree, store, told, memory=memory)
    assert list(memory.unchanged(tree)) == ["runtime"]


def test_a_layer_finished_a_moment_ago_is_not_scanned_again_either(
    tree: Path, store: Store, told: Path, tmp_path: Path
) -> None:
    """A seal of files that have just been written would be none: later changes could be missed."""
    memory = LayerMemory(tmp_path / "seals", store=store, format=SlugFormat.ZSTD)
    early = EarlyPacker(tree, store, SlugFormat.ZSTD, DEFAULT_LIMITS, finished=told, memory=memory)
    with early:
        (tree / ".heroku" / "python" / "bin" / "python").write_bytes(b"Program")
        (told / "runtime").touch()
        until(lambda: early.packed)
    assert list(memory.unchanged(tree)) == ["runtime"]


def test_a_layer_that_was_not_finished_after_all_is_packed_again(
    tree: Path, store: Store, told: Path, tmp_path: Path
) -> None:
    memory = LayerMemory(tmp_path / "seals", store=store, format=SlugFormat.ZSTD)
    packed_when_told(tree, store, told, memory=memory)
    (tree / ".heroku" / "python" / "bin" / "python").write_bytes(b"Program")
    assert not memory.unchanged(tree)
    prepared = Preparation(memory=memory)
    written = write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=store, prepared=prepared)
    whole = write_slug(tree, tmp_path / "y.slug", facts=FACTS, store=Store(tmp_path / "other"))
    assert written.reused == ()
    assert written.slug.archive.read_bytes() == whole.slug.archive.read_bytes()


def test_the_app_itself_is_left_to_the_end(tmp_path: Path, store: Store) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_bytes(b"app")
    assert watch(tmp_path / "app", store, seconds=0.2) == frozenset()


def test_a_tree_that_cannot_be_packed_is_none_of_its_business(tree: Path, store: Store) -> None:
    (tree / ".heroku" / "python" / "bad").symlink_to("../../../etc/passwd")
    assert watch(tree, store, seconds=0.2) == frozenset()


def test_links_to_the_machine_are_told_while_they_are_there(
    tree: Path, store: Store, told: Path
) -> None:
    """What is packed early is not looked at again when the build has ended."""
    link = tree / ".heroku" / "python" / "cacerts"
    link.symlink_to("/etc/ssl/certs")
    packer = EarlyPacker(tree, store, SlugFormat.ZSTD, DEFAULT_LIMITS, finished=told)
    (told / "runtime").touch()
    with packer:
        until(lambda: packer.packed)
    assert packer.left_out == {b".heroku/python/cacerts": b"/etc/ssl/certs"}
    link.unlink()
    assert packer.left_out == {}
    link.write_bytes(b"certificates")  # what a buildpack puts in its place is in the slug
    assert packer.left_out == {}


def test_a_link_in_the_place_of_the_tree_is_not_followed(
    tree: Path, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert watch(tmp_path / "link", store, seconds=0.2) == frozenset()


def test_a_layer_is_still_when_nothing_in_it_has_changed_for_a_moment(tree: Path) -> None:
    (plan, _) = plan_layers(scan_tree(tree, DEFAULT_LIMITS))
    until(lambda: is_still(plan, 0.02, time.time_ns()))
    assert not is_still(plan, 3600.0, time.time_ns())
    (tree / ".heroku" / "python" / "bin" / "python").write_bytes(b"now")
    (changed, _) = plan_layers(scan_tree(tree, DEFAULT_LIMITS))
    assert changed.entries != plan.entries
