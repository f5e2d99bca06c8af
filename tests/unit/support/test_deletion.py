"""Trees that nobody vouches for are deleted, and nothing beside or above them is touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.deletion import delete, open_dir, remove_tree
from slugc.privileges import in_dropped_child
from slugc.upkeep.trees import usage


@pytest.fixture
def at(tmp_path: Path) -> Iterator[int]:
    directory = open_dir(str(tmp_path))
    yield directory
    os.close(directory)


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


def test_remove_tree_removes_directories_without_write_permission(tmp_path: Path) -> None:
    locked_dir = tmp_path / "tree" / "read-only"
    locked_dir.mkdir(parents=True)
    (locked_dir / "file").write_text("x")
    locked_dir.chmod(0o500)
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "missing")
    remove_tree(tmp_path / "nor its" / "parent")
    assert list(tmp_path.iterdir()) == []


def test_remove_tree_removes_a_file_and_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "link")
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]


class _Busy:
    """``os.rmdir`` for a directory into which somebody writes between emptying and removing."""

    def __init__(self, top: Path, times: int) -> None:
        self._top, self._left = top, times
        self._rmdir = os.rmdir

    def __call__(self, name: str, *, dir_fd: int) -> None:
        if name == self._top.name and self._left:
            self._left -= 1
            (self._top / "late").write_text("x")
        self._rmdir(name, dir_fd=dir_fd)


def test_what_is_written_meanwhile_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    monkeypatch.setattr(os, "rmdir", _Busy(tmp_path / "tree", times=2))
    remove_tree(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_changes_nothing_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory for sockets, say, is open to others; one run's failed end must not close it."""
    parent = tmp_path / "parent"
    (parent / "tree").mkdir(parents=True)
    parent.chmod(0o711)
    monkeypatch.setattr(os, "rmdir", _Busy(parent / "tree", times=1000))
    with pytest.raises(OSError, match="not empty"):
        remove_tree(parent / "tree")
    assert stat.S_IMODE(parent.stat().st_mode) == 0o711


def test_a_refusal_changes_nothing_above_and_says_so(open_dir: Path) -> None:
    """As root nothing is refused, so it is tried without root's rights."""

    def make_and_delete() -> tuple[str, int]:
        parent = open_dir / "mine"
        (parent / "tree").mkdir(parents=True)
        (parent / "file").write_text("x")
        parent.chmod(0o500)
        said = []
        for name in ("tree", "file"):
            try:
                remove_tree(parent / name)
            except PermissionError as error:
                said.append(f"{error.filename}: {error.strerror}")
        mode = stat.S_IMODE(parent.stat().st_mode)
        parent.chmod(0o700)  # for who deletes it, and may be an ordinary user
        return ", ".join(said), mode

    open_dir.chmod(0o777)
    said, mode = in_dropped_child(make_and_delete)
    assert said == "tree: Permission denied, file: Permission denied"
    assert mode == 0o500
