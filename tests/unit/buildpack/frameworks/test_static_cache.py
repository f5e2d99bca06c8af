"""static_cache: collected files come back for the same app, and for no other."""

from __future__ import annotations

from pathlib import Path

from buildpack.frameworks.static_cache import StaticCache, snapshot, static_cache


def entry(root: Path, cache: Path, **env: str) -> StaticCache:
    return static_cache(cache, root, venv_name="v", manage_py="manage.py", env=env)


def make_app(root: Path) -> Path:
    root.mkdir()
    (root / "manage.py").write_text("code")
    (root / ".heroku").mkdir()
    (root / ".heroku" / "big").write_text("ignored")
    return root


def collect(root: Path, cache: Path) -> None:
    kept, before = entry(root, cache), snapshot(root)
    (root / "static" / "css").mkdir(parents=True)
    (root / "static" / "css" / "a.css").write_text("body {}")
    kept.save(before)


def test_the_same_app_elsewhere_gets_its_files_back(tmp_path: Path) -> None:
    collect(make_app(tmp_path / "one"), tmp_path / "cache")
    other = make_app(tmp_path / "two")
    assert entry(other, tmp_path / "cache").restore() == 1
    assert (other / "static" / "css" / "a.css").read_text() == "body {}"


def test_a_changed_file_or_config_var_means_another_entry(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    root = make_app(tmp_path / "one")
    same = entry(root, cache).home
    assert entry(root, cache, DEBUG="1").home != same
    (root / "manage.py").write_text("other")
    assert entry(root, cache).home != same


def test_a_variable_that_names_the_build_directory_does_not_count(tmp_path: Path) -> None:
    root = make_app(tmp_path / "one")
    assert entry(root, tmp_path, PATH=f"{root}/bin:/bin").home == entry(root, tmp_path).home


def test_an_app_in_a_subdirectory_is_known_again_in_another_build_directory(tmp_path: Path) -> None:
    one = entry(make_app(tmp_path / "one"), tmp_path / "c", PATH="/build-1/.heroku/venv/bin:/bin")
    two = entry(make_app(tmp_path / "two"), tmp_path / "c", PATH="/build-2/.heroku/venv/bin:/bin")
    assert one.home == two.home


def test_a_run_that_wrote_nothing_is_repeated(tmp_path: Path) -> None:
    root = make_app(tmp_path / "one")
    kept = entry(root, tmp_path / "cache")
    kept.save(snapshot(root))
    assert kept.restore() == 0


def test_a_run_that_changed_an_existing_file_is_repeated(tmp_path: Path) -> None:
    root = make_app(tmp_path / "one")
    kept, before = entry(root, tmp_path / "cache"), snapshot(root)
    (root / "new").write_text("x")
    (root / "manage.py").write_text("changed by collectstatic")
    kept.save(before)
    assert kept.restore() == 0
