"""Trees linked before it is known that they are needed: used if they are, else left alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack import early
from buildpack.__main__ import named_cache_dir
from buildpack.ahead import TreesAhead
from buildpack.cache import reap
from buildpack.early import PREVIOUS
from buildpack.restoring import restore_tree, tree_listing
from buildpack.support.locks import is_locked, locked


@pytest.fixture(autouse=True)
def _may_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "is_alone", lambda: True)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Two virtualenvs, of which "new" was used last, and one runtime."""
    for number, (kind, name) in enumerate(
        [("venvs/old", "venv"), ("venvs/new", "venv"), ("runtimes/x", "python")]
    ):
        tree = tmp_path / "cache" / kind / name
        (tree / "lib" / "package").mkdir(parents=True)
        (tree / "lib" / "package" / "module.py").write_text(kind)
        (tree / "bin").symlink_to("lib")
        tree_listing(tree)
        os.utime(tree.parent, (number, number))
    (tmp_path / "cache" / "lock").touch()
    return tmp_path / "cache"


@pytest.fixture
def build_dir(tmp_path: Path) -> Path:
    (tmp_path / "build").mkdir()
    return tmp_path / "build"


def inodes(tree: Path) -> dict[str, int]:
    """Of files and links; a directory stands for itself."""
    return {
        os.fspath(path.relative_to(tree)): (
            0 if path.is_dir() and not path.is_symlink() else path.lstat().st_ino
        )
        for path in tree.rglob("*")
    }


def begun(cache: Path, build_dir: Path, **env: str) -> TreesAhead:
    found = early.begin(str(build_dir), str(cache), env)
    if found:
        os.close(found.lock)
    return TreesAhead(cache, found)


def test_the_trees_used_last_are_moved_to_their_places(cache: Path, build_dir: Path) -> None:
    trees = begun(cache, build_dir)
    venv, python = cache / "venvs" / "new" / "venv", cache / "runtimes" / "x" / "python"
    assert trees.take(venv, build_dir / ".heroku" / "venv")
    assert trees.take(python, build_dir / ".heroku" / "python")
    assert inodes(build_dir / ".heroku" / "venv") == inodes(venv)
    assert inodes(build_dir / ".heroku" / "python") == inodes(python)
    assert not list(trees.place.iterdir())


def test_another_tree_is_linked_as_ever_and_the_wrong_one_is_reaped(
    cache: Path, build_dir: Path
) -> None:
    trees, wanted = begun(cache, build_dir), cache / "venvs" / "old" / "venv"
    restore_tree(wanted, build_dir / "venv", previous=None, ahead=trees)
    trees.end()
    assert inodes(build_dir / "venv") == inodes(wanted)
    reap(cache)
    assert sorted(path.name for path in (cache / "venvs").iterdir()) == ["new", "old"]


def test_after_its_end_no_copy_is_offered(cache: Path, build_dir: Path) -> None:
    trees = begun(cache, build_dir)
    trees.end()
    assert trees.copy_of(cache / "venvs" / "new" / "venv") is None


def test_files_of_the_app_in_its_place_are_kept(cache: Path, build_dir: Path) -> None:
    (build_dir / "venv").mkdir()
    (build_dir / "venv" / "own").write_text("the app's")
    trees, wanted = begun(cache, build_dir), cache / "venvs" / "new" / "venv"
    restore_tree(wanted, build_dir / "venv", previous=None, ahead=trees)
    trees.end()
    assert (build_dir / "venv" / "own").read_text() == "the app's"
    assert inodes(build_dir / "venv").items() >= inodes(wanted).items()


def test_half_a_copy_is_none(cache: Path, build_dir: Path) -> None:
    wanted = cache / "venvs" / "new" / "venv"
    (wanted / "lib" / "package" / "module.py").unlink()
    trees = begun(cache, build_dir)
    assert not trees.take(wanted, build_dir / "venv")
    assert not (build_dir / "venv").exists()
    assert not trees.place.exists()


def test_what_a_killed_build_left_is_not_used(cache: Path, build_dir: Path) -> None:
    (cache / "venvs" / ".ahead" / "venv").mkdir(parents=True)
    trees = begun(cache, build_dir)
    assert trees.copy_of(cache / "venvs" / "new" / "venv") is None


def test_where_the_last_tree_is_offered_nothing_is_linked(cache: Path, build_dir: Path) -> None:
    begun(cache, build_dir, **{PREVIOUS: "/srv/previous"})
    assert not (cache / "venvs" / ".ahead").exists()


def test_a_first_build_has_nothing_to_begin_with(tmp_path: Path, build_dir: Path) -> None:
    trees = begun(tmp_path / "empty", build_dir)
    assert trees.copy_of(tmp_path / "empty" / "venvs" / "x" / "venv") is None


def test_a_copy_that_was_changed_stands_for_what_it_was_made(cache: Path, build_dir: Path) -> None:
    trees, last = begun(cache, build_dir), cache / "venvs" / "new" / "venv"
    copy, made = trees.copy_of(last), cache / "venvs" / "newer" / "venv"
    assert copy
    (copy / "added").touch()
    trees.holds(made, copy)
    assert not trees.take(last, build_dir / "venv")
    assert trees.take(made, build_dir / "venv")
    assert (build_dir / "venv" / "added").exists()


def test_nothing_is_begun_while_somebody_else_has_the_cache(cache: Path, build_dir: Path) -> None:
    with locked(cache / "lock"):
        assert early.begin(str(build_dir), str(cache), {}) is None
    assert not (cache / "venvs" / ".ahead").exists()


def test_the_lock_is_handed_on_without_a_gap(cache: Path, build_dir: Path) -> None:
    begun = early.begin(str(build_dir), str(cache), {})
    assert begun
    assert is_locked(cache / "lock")
    with locked(cache / "lock", held=begun.lock):
        assert (cache / "lock").read_text() == f"{os.getpid()}\n"
        TreesAhead(cache, begun).end()
    assert not is_locked(cache / "lock")


@pytest.mark.parametrize(
    "words",
    [
        ("compile", "."),
        ("compile", ".", ""),
        ("compile", "no-such-directory", "cache"),
        ("compile", ".", "cache", "env", "more"),
        ("report", ".", "cache"),
    ],
)
def test_only_a_build_that_has_a_cache_begins_early(words: tuple[str, ...]) -> None:
    assert named_cache_dir(list(words)) == ""
    assert named_cache_dir(["test-compile", ".", "cache"]) == os.path.realpath("cache")


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_a_lock_that_is_a_link_is_not_taken(
    make: Callable[[Path, Path], None], cache: Path, build_dir: Path
) -> None:
    (cache / "lock").rename(cache / "elsewhere")
    make(cache / "lock", cache / "elsewhere")
    assert early.begin(str(build_dir), str(cache), {}) is None
    assert not is_locked(cache / "elsewhere")


def test_a_lock_that_is_a_pipe_is_not_taken(cache: Path, build_dir: Path) -> None:
    (cache / "lock").unlink()
    os.mkfifo(cache / "lock")
    assert early.begin(str(build_dir), str(cache), {}) is None
