"""A listed tree is linked as it is, by one process or two."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support.linking import (
    Linking,
    decode_listing,
    encode_listing,
    halves,
    link_listed,
    list_tree,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    for number in range(20):
        directory = top / f"d{number % 3}" / f"\udcff new\nline {number}"
        directory.mkdir(parents=True)
        (directory / "file").write_text(str(number))
    (top / "empty").mkdir()
    (top / "link").symlink_to("nowhere")
    (top / "to a directory").symlink_to("d0")
    return top


def inodes(top: Path) -> dict[str, int]:
    found = {}
    for path in top.rglob("*"):
        is_dir = path.is_dir() and not path.is_symlink()
        found[os.fspath(path.relative_to(top))] = 0 if is_dir else path.lstat().st_ino
    return found


def test_a_listing_survives_being_written_down(source: Path) -> None:
    listing = list_tree(str(source))
    assert decode_listing(encode_listing(listing)) == listing


@pytest.mark.parametrize("data", [b"", b"nonsense", b"/\0a", b"a\0", b"x/\0file\0"])
def test_what_is_no_listing_is_none(data: bytes) -> None:
    assert decode_listing(data) is None


def test_every_entry_is_linked(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    link_listed(str(source), str(target), list_tree(str(source)))
    assert inodes(target) == inodes(source)


def test_two_processes_link_the_same(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    first, second = halves(list_tree(str(source)))
    assert first
    assert second
    assert Linking(str(source), str(target), [second, first]).finish()
    assert inodes(target) == inodes(source)


def test_a_file_that_is_gone_is_noticed(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    listing = list_tree(str(source))
    (source / "link").unlink()
    assert not Linking(str(source), str(target), [listing]).finish()
