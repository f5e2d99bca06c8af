"""Packing layers while a build goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.scan import scan_tree
from slugc.packing import early as early_packing
from slugc.packing.early import EarlyPacker, is_still
from slugc.packing.layers import plan_layers
from slugc.packing.slug_writer import write_slug
from slugc.slug import SlugFacts, SlugFormat
from slugc.stack import Stack
from slugc.store import Store

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


def test_the_app_itself_is_left_to_the_end(tmp_path: Path, store: Store) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_bytes(b"app")
    assert watch(tmp_path / "app", store, seconds=0.2) == frozenset()


def test_a_tree_that_cannot_be_packed_is_none_of_its_business(tree: Path, store: Store) -> None:
    (tree / ".heroku" / "python" / "bad").symlink_to("/etc/passwd")
    assert watch(tree, store, seconds=0.2) == frozenset()


def test_a_link_in_the_place_of_the_tree_is_not_followed(
    tree: Path, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert watch(tmp_path / "link", store, seconds=0.2) == frozenset()


def test_a_layer_is_still_when_nothing_in_it_has_changed_for_a_moment(tree: Path) -> None:
    (plan, _) = plan_layers(scan_tree(tree, DEFAULT_LIMITS))
    deadline = time.monotonic() + 20
    while not is_still(plan) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert is_still(plan)
    (tree / ".heroku" / "python" / "bin" / "python").write_bytes(b"now")
    (changed, _) = plan_layers(scan_tree(tree, DEFAULT_LIMITS))
    assert changed.entries != plan.entries
