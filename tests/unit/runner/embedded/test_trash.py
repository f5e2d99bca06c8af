"""trash: a little is deleted at once, much by a process that may be killed."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.embedded.lasting.trash import LITTLE, NAME, Trash, is_large, main
from tests.waiting import until


@pytest.fixture
def trash(tmp_path: Path) -> Iterator[Trash]:
    found = Trash(tmp_path, dict(os.environ))
    yield found
    found.close()


def a_home(root: Path, files: int) -> Path:
    home = root / "web.1-1"
    for name in ("upper/deep", "work"):
        (home / name).mkdir(parents=True)
    for number in range(files):
        (home / "upper/deep" / str(number)).touch()
    return home


def test_few_files_are_deleted_at_once_and_by_nobody_else(tmp_path: Path, trash: Trash) -> None:
    trash.delete(a_home(tmp_path, 3))
    trash.delete(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_many_files_are_moved_out_of_the_way_and_deleted_by_a_process(
    tmp_path: Path, trash: Trash
) -> None:
    home = a_home(tmp_path, LITTLE)
    trash.delete(home)
    assert not home.exists()
    until(lambda: list((tmp_path / NAME).iterdir()) == [])


def test_what_a_killed_one_has_left_is_deleted_by_the_next_who_looks(
    tmp_path: Path, trash: Trash
) -> None:
    (tmp_path / NAME).mkdir()
    turn = os.open(tmp_path / NAME, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)  # so that it does not begin
    trash.delete(a_home(tmp_path, LITTLE))
    process = trash._process
    assert process is not None
    trash.empty()
    assert trash._process is process, "one is enough"
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.close(turn)
    assert len(list((tmp_path / NAME).iterdir())) == 1
    successor = Trash(tmp_path, dict(os.environ))
    successor.empty()
    until(lambda: list((tmp_path / NAME).iterdir()) == [])
    successor.close()


def test_what_cannot_be_deleted_now_keeps_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(tree: Path) -> None:
        if tree.name == "stuck":
            raise OSError("Input/output error")
        tree.rmdir()

    for name in ("a", "stuck", "z"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("runner.engines.embedded.lasting.trash.remove_tree", remove)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    assert main([str(tmp_path)]) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["stuck"]


def test_a_tree_is_large_by_its_number_of_files_and_directories(tmp_path: Path) -> None:
    assert not is_large(tmp_path / "missing")
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/link").symlink_to(tmp_path)
    assert not is_large(tmp_path, 4)
    assert is_large(tmp_path, 3)
