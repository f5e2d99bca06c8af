"""Files are whole or absent, trees are linked and not copied."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack.support.deletion import remove_tree
from buildpack.support.files import (
    link_tree,
    publishing,
    publishing_dir,
    write_atomically,
    write_whole,
)


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "slug"
    write_atomically(path, "old")

    def write_half() -> None:
        with publishing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["slug"]


@pytest.mark.parametrize("write", [write_atomically, write_whole])
def test_a_write_that_fails_says_which_file(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write(tmp_path / "record", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "record")
    assert names(tmp_path) == []


def test_nothing_takes_the_place_of_what_is_no_file(tmp_path: Path) -> None:
    """`-o /dev/null` as root: a file in its place would be there for the whole machine."""
    path = tmp_path / "null"
    os.mkfifo(path)

    with pytest.raises(FileExistsError, match="It is no regular file"):
        write_atomically(path, "x")

    assert path.is_fifo()
    assert names(tmp_path) == ["null"]


def test_no_right_is_changed_through_a_link_in_the_place_of_what_is_published(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)

    def swap() -> None:
        with publishing(tmp_path / "public") as temporary:
            temporary.symlink_to(secret)

    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        swap()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["secret"]


def test_a_published_file_has_the_mode_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "public", b"x", mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644


def test_a_directory_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    def fill_half() -> None:
        with publishing_dir(tmp_path / "tree") as temporary:
            (temporary / "one").write_text("1")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fill_half()
    assert names(tmp_path) == []


def test_the_first_publisher_of_a_directory_wins(tmp_path: Path) -> None:
    with publishing_dir(tmp_path / "tree") as mine:
        (mine / "who").write_text("second")
        with publishing_dir(tmp_path / "tree") as theirs:
            (theirs / "who").write_text("first")
    assert (tmp_path / "tree" / "who").read_text() == "first"
    assert names(tmp_path) == ["tree"]


def test_link_tree_gives_the_same_files_without_copying(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "file").write_text("content")
    (source / "link").symlink_to("deep/er/file")
    (source / "dangling").symlink_to("nowhere")
    link_tree(source, tmp_path / "target")
    linked = tmp_path / "target" / "deep" / "er" / "file"
    assert linked.stat().st_ino == (source / "deep" / "er" / "file").stat().st_ino
    assert (tmp_path / "target" / "link").readlink() == Path("deep/er/file")
    assert (tmp_path / "target" / "dangling").readlink() == Path("nowhere")


def test_link_tree_copies_across_file_systems(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm and the temporary directory are one file system")
    target = elsewhere / f"slugkit-test-{os.getpid()}"
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("file")
    try:
        link_tree(tmp_path, target)
        assert (target / "file").read_text() == "content"
        assert (target / "link").readlink() == Path("file")
    finally:
        remove_tree(target)
