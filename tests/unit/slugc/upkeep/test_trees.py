"""Trees that nobody vouches for are measured and deleted, and nothing beside them is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.files import remove_tree
from slugc.privileges import in_dropped_child
from slugc.upkeep.trees import delete, open_dir, usage


@pytest.fixture
def at(tmp_path: Path) -> Iterator[int]:
    directory = open_dir(str(tmp_path))
    yield directory
    os.close(directory)


def test_usage_counts_files_with_several_names_once(tmp_path: Path, at: int) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(b"x" * 1_000_000)
    once = usage("tree", at)
    (tmp_path / "tree" / "again").hardlink_to(tmp_path / "tree" / "file")
    assert 1_000_000 <= usage("tree", at) < once + 100_000


def test_usage_of_what_is_not_there(at: int) -> None:
    assert usage("missing", at) == 0


def test_usage_does_not_follow_links(tmp_path: Path, at: int) -> None:
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path)
    assert usage("tree", at) < 100_000


def test_delete_follows_no_link(tmp_path: Path, at: int) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (tmp_path / "tree" / "below").mkdir(parents=True)
    (tmp_path / "tree" / "dir").symlink_to(outside)
    (tmp_path / "tree" / "below" / "file").symlink_to(outside / "precious")
    (tmp_path / "link").symlink_to(outside)
    delete("tree", at)
    delete("link", at)
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "precious").read_text() == "x"


def test_delete_missing_is_fine(at: int) -> None:
    delete("missing", at)


def test_delete_directories_without_rights_as_their_owner(open_dir: Path) -> None:
    """As root there are no such directories, so it is tried without root's rights."""

    def make_and_delete() -> bool:
        inner = open_dir / "mine" / "a" / "b"
        inner.mkdir(parents=True)
        (inner / "file").write_text("x")
        inner.chmod(0o000)
        inner.parent.chmod(0o500)
        directory = os.open(open_dir, os.O_RDONLY)
        delete("mine", directory)
        os.close(directory)
        return not (open_dir / "mine").exists()

    open_dir.chmod(0o777)
    assert in_dropped_child(make_and_delete)


def test_delete_a_tree_deeper_than_any_path(tmp_path: Path, at: int) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    for number in range(3000):
        name = "tree" if number == 0 else "directory"
        os.mkdir(name, dir_fd=directory)
        inner = os.open(name, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
        if number % 500 == 0:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
    os.close(directory)
    assert usage("tree", at) > 0
    delete("tree", at)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs somebody else's directory")
def test_tolerant_deletion_leaves_what_is_not_ours(open_dir: Path) -> None:
    mine = open_dir / "tree" / "theirs"
    mine.mkdir(parents=True)
    (mine / "file").write_text("x")
    (open_dir / "tree" / "free").mkdir(mode=0o777)
    (open_dir / "tree" / "free").chmod(0o777)
    (open_dir / "tree" / "free" / "file").write_text("x")
    directory = os.open(open_dir, os.O_RDONLY)
    in_dropped_child(lambda: delete("tree", directory, tolerant=True))
    os.close(directory)
    assert (mine / "file").exists()
    assert not (open_dir / "tree" / "free" / "file").exists()
    remove_tree(open_dir / "tree")
