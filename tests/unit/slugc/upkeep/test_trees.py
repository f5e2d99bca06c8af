"""Trees that nobody vouches for are measured, and nothing beside them is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.deletion import open_dir
from slugc.upkeep.trees import usage


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
