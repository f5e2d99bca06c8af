"""A tree of the last build is taken over only if it is what linking would give."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack.ahead import TreesAhead, previous_build_dir
from buildpack.restoring import restore_tree, tell_finished


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    tree = tmp_path / "cache" / "key" / "venv"
    packages = tree / "lib" / "site-packages"
    (packages / "app").mkdir(parents=True)
    (packages / "app" / "__init__.py").write_text("original")
    (tree / "pyvenv.cfg").write_text("config")
    return tree


def nothing(cache_dir: Path) -> TreesAhead:
    """No tree has been linked ahead."""
    return TreesAhead(cache_dir)


class Builds:
    """Build directories one after the other, each becoming the next one's previous one."""

    def __init__(self, tmp_path: Path, cached: Path) -> None:
        self.cached, self.root, self.count = cached, tmp_path, 0
        self.previous = tmp_path / "previous"

    def build(self) -> Path:
        self.count += 1
        target = self.root / f"build-{self.count}" / ".heroku" / "venv"
        restore_tree(self.cached, target, previous=self.previous, ahead=nothing(self.root))
        return target

    def keep(self, target: Path) -> None:
        if self.previous.exists():
            self.previous.rename(self.root / f"trash-{self.count}")
        target.rename(self.previous)


@pytest.fixture
def builds(tmp_path: Path, cached: Path) -> Builds:
    return Builds(tmp_path, cached)


def inodes(tree: Path) -> dict[str, int]:
    return {os.fspath(path.relative_to(tree)): path.lstat().st_ino for path in tree.rglob("*")}


def files(tree: Path) -> dict[str, int]:
    return {name: inode for name, inode in inodes(tree).items() if (tree / name).is_file()}


def test_an_untouched_tree_is_moved_with_its_directories(builds: Builds) -> None:
    first = builds.build()
    before = inodes(first)
    builds.keep(first)
    second = builds.build()
    assert inodes(second) == before
    assert not builds.previous.exists()


def test_it_is_moved_again_and_again(builds: Builds) -> None:
    first = builds.build()
    before = inodes(first)
    for _ in range(3):
        builds.keep(first)
        first = builds.build()
    assert inodes(first) == before


@pytest.mark.parametrize(
    "tamper",
    [
        lambda tree: (tree / "lib/site-packages/app/new.py").touch(),
        lambda tree: (tree / "lib/site-packages/app/__init__.py").unlink(),
        lambda tree: (tree / "added").mkdir(),
        lambda tree: (tree / "lib/site-packages/app").rename(tree / "lib/site-packages/other"),
        lambda tree: (tree / "pyvenv.cfg").unlink(),
    ],
)
def test_a_tree_that_a_hook_changed_is_left_alone(
    builds: Builds, cached: Path, tamper: Callable[[Path], object]
) -> None:
    first = builds.build()
    tamper(first)
    builds.keep(first)
    second = builds.build()
    assert files(second) == files(cached)
    assert builds.previous.exists()


def test_a_replaced_file_is_seen_although_it_looks_the_same(builds: Builds, cached: Path) -> None:
    first = builds.build()
    path = first / "lib/site-packages/app/__init__.py"
    times = path.stat()
    path.unlink()
    path.write_text("tampered")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    builds.keep(first)
    assert (builds.build() / "lib/site-packages/app/__init__.py").read_text() == "original"


def test_after_a_build_that_linked_the_next_one_moves(builds: Builds) -> None:
    first = builds.build()
    (first / "lib/new").touch()
    builds.keep(first)
    second = builds.build()
    before = inodes(second)
    builds.keep(second)
    assert inodes(builds.build()) == before


def test_files_the_app_brings_are_never_taken_for_ours(
    builds: Builds, cached: Path, tmp_path: Path
) -> None:
    own = tmp_path / "build-1" / ".heroku" / "venv"
    own.mkdir(parents=True)
    (own / "mine").touch()
    builds.keep(builds.build())
    assert files(builds.build()) == files(cached)


def test_the_tree_of_another_cache_entry_is_not_taken(
    builds: Builds, cached: Path, tmp_path: Path
) -> None:
    builds.keep(builds.build())
    other = tmp_path / "cache" / "other" / "venv"
    other.mkdir(parents=True)
    (other / "only").touch()
    builds.cached = other
    assert files(builds.build()).keys() == {"only"}


@pytest.mark.parametrize("damage", [b"", b"no seal", b"SKSEAL1\n" + bytes(16)])
def test_a_damaged_seal_means_linking(builds: Builds, cached: Path, damage: bytes) -> None:
    builds.keep(builds.build())
    (cached.parent / "venv.seal").write_bytes(damage)
    assert files(builds.build()) == files(cached)
    assert builds.previous.exists()


def test_without_an_offer_nothing_is_noted(cached: Path, tmp_path: Path) -> None:
    target = tmp_path / "build" / "venv"
    restore_tree(cached, target, previous=None, ahead=nothing(tmp_path))
    assert not (cached.parent / "venv.seal").exists()


def test_the_offer_is_an_absolute_path() -> None:
    assert previous_build_dir({}) is None
    assert previous_build_dir({"PREVIOUS_BUILD_DIR": "elsewhere"}) is None
    assert previous_build_dir({"PREVIOUS_BUILD_DIR": "/srv/previous"}) == Path("/srv/previous")


def test_who_asks_is_told_which_layer_is_finished(tmp_path: Path) -> None:
    tell_finished({"FINISHED_LAYERS_DIR": str(tmp_path)}, "runtime")
    assert [path.name for path in tmp_path.iterdir()] == ["runtime"]


@pytest.mark.parametrize("named", ["", "finished", "/nonexistent/finished"])
def test_who_does_not_ask_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "finished").mkdir()
    tell_finished({"FINISHED_LAYERS_DIR": named}, "runtime")
    tell_finished({}, "runtime")
    assert not list((tmp_path / "finished").iterdir())


def test_a_tree_that_was_taken_over_was_not_made(builds: Builds, cached: Path) -> None:
    first, again = builds.root / "first", builds.root / "again"
    ahead = nothing(builds.root)
    assert restore_tree(cached, first, previous=builds.previous, ahead=ahead)
    first.rename(builds.previous)
    assert not restore_tree(cached, again, previous=builds.previous, ahead=ahead)
