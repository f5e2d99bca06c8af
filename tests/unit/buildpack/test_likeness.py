"""A tree made out of another one is what linking gives: the same files under the same names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack import likeness
from buildpack.likeness import made_alike
from buildpack.restoring import restore_tree
from buildpack.support import files
from buildpack.support.linking import list_tree


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tree = tmp_path / "new" / "venv"
    (tree / "lib" / "package" / "deep").mkdir(parents=True)
    (tree / "lib" / "package" / "deep" / "module.py").write_text("1")
    (tree / "lib" / "package" / "__init__.py").write_text("1")
    (tree / "lib" / "empty").mkdir()
    (tree / "bin").mkdir()
    (tree / "bin" / "python").symlink_to("../python")
    (tree / "pyvenv.cfg").write_text("1")
    return tree


@pytest.fixture
def akin(tmp_path: Path, source: Path) -> Path:
    tree = tmp_path / "last" / "venv"
    tree.parent.mkdir()
    files.link_tree(source, tree)
    return tree


def inodes(tree: Path) -> dict[str, int]:
    """Of files and links; a directory stands for itself."""
    return {
        os.fspath(path.relative_to(tree)): 0 if is_dir(path) else path.lstat().st_ino
        for path in tree.rglob("*")
    }


def is_dir(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _replace(tree: Path) -> None:
    (tree / "pyvenv.cfg").unlink()
    (tree / "pyvenv.cfg").write_text("1")


def _point_elsewhere(tree: Path) -> None:
    (tree / "bin" / "python").unlink()
    (tree / "bin" / "python").symlink_to("../other")


def _add_deep(tree: Path) -> None:
    (tree / "lib" / "gone" / "deeper").mkdir(parents=True)
    (tree / "lib" / "gone" / "deeper" / "module.py").write_text("gone")


def _lose_a_directory(tree: Path) -> None:
    files.remove_tree(tree / "lib" / "package")


def _file_for_a_directory(tree: Path) -> None:
    files.remove_tree(tree / "lib" / "package" / "deep")
    (tree / "lib" / "package" / "deep").write_text("a file")


def _directory_for_a_file(tree: Path) -> None:
    (tree / "pyvenv.cfg").unlink()
    (tree / "pyvenv.cfg").mkdir()
    (tree / "pyvenv.cfg" / "x").write_text("x")


@pytest.mark.parametrize(
    "differ",
    [
        lambda _tree: None,
        _replace,
        _point_elsewhere,
        _add_deep,
        _lose_a_directory,
        _file_for_a_directory,
        _directory_for_a_file,
        lambda tree: (tree / "lib" / "empty").rmdir(),
        lambda tree: (tree / "lib" / "more").mkdir(),
    ],
)
def test_whatever_differs_it_becomes_the_same(
    tmp_path: Path, source: Path, akin: Path, differ: Callable[[Path], object]
) -> None:
    differ(akin)
    target = tmp_path / "build" / ".heroku" / "venv"
    assert made_alike(source, target, akin) == list_tree(os.fspath(source))
    assert inodes(target) == inodes(source)
    assert not akin.exists()


def test_what_cannot_be_finished_leaves_nothing_and_is_linked(
    tmp_path: Path, source: Path, akin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(likeness, "_add", full)
    target = tmp_path / "build" / "venv"
    restore_tree(source, target, previous=None, akin=akin)
    assert inodes(target) == inodes(source)


def test_nothing_there_to_be_made_into_it_is_no_harm(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "build" / "venv"
    assert made_alike(source, target, tmp_path / "missing") is None
    assert not target.exists()


def test_files_of_the_app_in_its_place_are_kept(tmp_path: Path, source: Path, akin: Path) -> None:
    target = tmp_path / "build" / "venv"
    target.mkdir(parents=True)
    (target / "own").write_text("the app's")
    restore_tree(source, target, previous=None, akin=akin)
    assert (target / "own").read_text() == "the app's"
    assert inodes(target).items() >= inodes(source).items()
    assert akin.exists()
