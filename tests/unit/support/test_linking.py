"""A listed tree is linked as it is, by one process or two."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support import linking
from buildpack.support.linking import (
    Linking,
    LinkingAside,
    decode_listing,
    encode_listing,
    in_pieces,
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


def test_half_a_listing_is_none(source: Path) -> None:
    whole = encode_listing(list_tree(str(source)))
    for length in range(len(whole)):
        assert decode_listing(whole[:length]) is None
        assert decode_listing(whole[:length].ljust(len(whole), b"\0")) in {
            None,
            decode_listing(whole),
        }


@pytest.mark.parametrize("data", [b"", b"nonsense", b"/\0a", b"a\0\0", b"x/\0file\0\0"])
def test_what_is_no_listing_is_none(data: bytes) -> None:
    assert decode_listing(data) is None


def test_every_entry_is_linked(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    link_listed(str(source), str(target), list_tree(str(source)))
    assert inodes(target) == inodes(source)


@pytest.fixture
def tree(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Linking:
    monkeypatch.setattr(linking, "PIECE", 5)
    target = tmp_path / "new" / "target"
    return Linking(source=str(source), target=str(target), listing=list_tree(str(source)))


def test_two_processes_link_the_same(tree: Linking) -> None:
    assert len(in_pieces(tree.listing)) > 2
    assert LinkingAside([tree]).finish()
    assert inodes(Path(tree.target)) == inodes(Path(tree.source))


def test_several_trees_are_linked_at_once(tree: Linking, tmp_path: Path) -> None:
    more = Linking(source=tree.source, target=str(tmp_path / "more"), listing=tree.listing)
    assert LinkingAside([tree, more]).finish()
    assert inodes(Path(tree.target)) == inodes(Path(more.target)) == inodes(Path(tree.source))


def test_every_directory_is_in_one_piece(tree: Linking) -> None:
    assert [each for piece in in_pieces(tree.listing) for each in piece] == list(tree.listing)


def test_a_file_that_is_gone_is_noticed(tree: Linking) -> None:
    Path(tree.source, "link").unlink()
    assert not LinkingAside([tree]).finish()


def test_nothing_is_linked_any_more_once_it_is_given_up(tree: Linking) -> None:
    aside = LinkingAside([tree])
    aside.give_up()
    before = inodes(Path(tree.target))
    assert before.items() <= inodes(Path(tree.source)).items()
    with pytest.raises(ChildProcessError):
        os.waitpid(aside.child, os.WNOHANG)
