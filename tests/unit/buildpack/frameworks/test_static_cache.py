"""static_cache: collected files come back for the same app, and for no other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildpack.frameworks import opened_files
from buildpack.frameworks.opened_files import OpenedFiles
from buildpack.frameworks.static_cache import (
    StaticCache,
    snapshot,
    static_cache,
    with_sources,
)


def entry(root: Path, cache: Path, **env: str) -> StaticCache:
    return static_cache(cache, root, venv_name="v", manage_py="manage.py", env=env)


def make_app(root: Path) -> Path:
    root.mkdir()
    (root / "manage.py").write_text("code")
    (root / "views.py").write_text("views")
    (root / ".heroku").mkdir()
    (root / ".heroku" / "big").write_text("ignored")
    return root


def collect(root: Path, cache: Path, *read: str) -> None:
    """As collectstatic does, which reads the files of these names."""
    kept, before = entry(root, cache), snapshot(root)
    with OpenedFiles(root) as opened:
        for name in read:
            subprocess.run(("cat", root / name), check=True, stdout=subprocess.DEVNULL)
        (root / "static" / "css").mkdir(parents=True)
        (root / "static" / "css" / "a.css").write_text("body {}")
        kept.save(before, opened.names)


def comes_back(root: Path, cache: Path, **env: str) -> bool:
    found = entry(root, cache, **env).restore() == 1
    assert (root / "static" / "css" / "a.css").is_file() is found
    return found


def test_the_same_app_elsewhere_gets_its_files_back(tmp_path: Path) -> None:
    collect(make_app(tmp_path / "one"), tmp_path / "cache", "manage.py")
    other = make_app(tmp_path / "two")
    assert entry(other, tmp_path / "cache").restore() == 1
    assert (other / "static" / "css" / "a.css").read_text() == "body {}"


def test_a_changed_file_that_nobody_had_opened_means_the_same_files(tmp_path: Path) -> None:
    collect(make_app(tmp_path / "one"), tmp_path / "cache", "manage.py")
    other = make_app(tmp_path / "two")
    (other / "views.py").write_text("other views")
    assert comes_back(other, tmp_path / "cache")


def test_a_changed_file_that_was_opened_means_another_run(tmp_path: Path) -> None:
    collect(make_app(tmp_path / "one"), tmp_path / "cache", "manage.py")
    other = make_app(tmp_path / "two")
    (other / "manage.py").write_text("other")
    assert not comes_back(other, tmp_path / "cache")


def test_where_nobody_knows_what_was_opened_every_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_self: OpenedFiles) -> None:
        raise OSError("no watch left")

    monkeypatch.setattr(opened_files.OpenedFiles, "_watch", refused)
    collect(make_app(tmp_path / "one"), tmp_path / "cache", "manage.py")
    assert comes_back(make_app(tmp_path / "two"), tmp_path / "cache")
    other = make_app(tmp_path / "three")
    (other / "views.py").write_text("other views")
    assert not comes_back(other, tmp_path / "cache")


@pytest.mark.parametrize("change", ["new", "gone", "executable", "link", "directory"])
def test_a_file_that_came_went_or_became_another_kind_means_another_run(
    tmp_path: Path, change: str
) -> None:
    collect(make_app(tmp_path / "one"), tmp_path / "cache", "manage.py")
    other = make_app(tmp_path / "two")
    views = other / "views.py"
    match change:
        case "new":
            (other / "more.py").write_text("")
        case "gone":
            views.unlink()
        case "executable":
            views.chmod(0o755)
        case "link":
            views.unlink()
            views.symlink_to("manage.py")
        case _:
            (other / "empty").mkdir()
    assert not comes_back(other, tmp_path / "cache")


def test_a_config_var_means_another_run(tmp_path: Path) -> None:
    collect(make_app(tmp_path / "one"), tmp_path / "cache", "manage.py")
    assert not comes_back(make_app(tmp_path / "two"), tmp_path / "cache", DEBUG="1")


def test_bytecode_stands_for_its_source_as_well() -> None:
    opened = frozenset(
        {"a/__pycache__/b.cpython-313.pyc", "__pycache__/c.cpython-313.pyc", "d.pyc"}
    )
    assert with_sources(opened) - opened == {"a/b.py", "c.py", "d.py"}


def test_every_program_is_watched_in_every_directory_of_the_app(tmp_path: Path) -> None:
    root = make_app(tmp_path / "app")
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "read").write_text("x")
    (root / "deep" / "link").symlink_to("er/read")
    with OpenedFiles(root) as opened:
        subprocess.run(("cat", "deep/link", "/dev/null"), cwd=root, check=True, capture_output=True)
        (root / ".heroku" / "big").read_text()
        (root / "views.py").stat()
        assert opened.names == frozenset({"deep/er/read"})


def test_too_many_events_to_remember_are_as_none(tmp_path: Path) -> None:
    root = make_app(tmp_path / "app")
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with OpenedFiles(root) as opened:
        for _ in range(limit // 2 + 1):  # alternating: like events next to each other are one
            os.close(os.open(root / "manage.py", os.O_RDONLY))
            os.close(os.open(root / "views.py", os.O_RDONLY))
        assert opened.names is None


def test_a_variable_that_names_the_build_directory_does_not_count(tmp_path: Path) -> None:
    root = make_app(tmp_path / "one")
    assert entry(root, tmp_path, PATH=f"{root}/bin:/bin").key == entry(root, tmp_path).key


def test_an_app_in_a_subdirectory_is_known_again_in_another_build_directory(tmp_path: Path) -> None:
    one = entry(make_app(tmp_path / "one"), tmp_path / "c", PATH="/build-1/.heroku/venv/bin:/bin")
    two = entry(make_app(tmp_path / "two"), tmp_path / "c", PATH="/build-2/.heroku/venv/bin:/bin")
    assert one.key == two.key


def test_a_run_that_wrote_nothing_is_repeated(tmp_path: Path) -> None:
    root = make_app(tmp_path / "one")
    kept = entry(root, tmp_path / "cache")
    kept.save(snapshot(root), frozenset())
    assert kept.restore() == 0


def test_a_run_that_changed_an_existing_file_is_repeated(tmp_path: Path) -> None:
    root = make_app(tmp_path / "one")
    kept, before = entry(root, tmp_path / "cache"), snapshot(root)
    (root / "new").write_text("x")
    (root / "manage.py").write_text("changed by collectstatic")
    kept.save(before, frozenset())
    assert kept.restore() == 0
