"""built_in_place: compiled modules of editable installations outlive the build that made them."""

from __future__ import annotations

from pathlib import Path

from buildpack.installers.base import Dependencies, Install
from buildpack.installers.built_in_place import building_in_place, restore_built_in_place
from buildpack.package_manager import PackageManager
from buildpack.runtime.install import Runtime
from buildpack.tools import ToolBox
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion

VERSION = PythonVersion(major=3, minor=13, patch=1)


def install_in(root: Path) -> Install:
    runtime = Runtime(home=root, version=VERSION, provider="host", build_id="x", reason="x")
    return Install(
        uv=root / "uv",
        venv=Venv(root=root / "home" / "venv", version=VERSION),
        app_dir=root / "source" / "app",
        scratch_dir=root,
        cache_dir=root,
        env={},
        runtime=runtime,
        tools=ToolBox(directory=root, env={}),
    )


def dependencies_at(*paths: str) -> Dependencies:
    manager = PackageManager.SETUP_PY
    return Dependencies(manager=manager, source="setup.py", inputs={}, local_paths=paths)


def test_what_is_compiled_is_kept_and_what_is_left_over_goes(tmp_path: Path) -> None:
    install = install_in(tmp_path)
    app, lib = install.app_dir, install.app_dir.parent / "lib"
    for path in (app / "src", app / "mine.egg-info", lib):
        path.mkdir(parents=True)
    (app / "vendored.so").write_text("the app's own")
    with building_in_place(dependencies_at(".", "../lib"), install):
        (app / "src" / "x.egg-info").mkdir()
        (app / "build" / "temp").mkdir(parents=True)
        (app / "build" / "temp" / "x.so").write_text("of no use")
        (app / "src" / "x.so").write_text("compiled")
        (lib / "y.so").write_text("beside the app")
    assert sorted(path.name for path in app.rglob("*")) == [
        "mine.egg-info", "src", "vendored.so", "x.so",
    ]  # fmt: skip
    (app / "src" / "x.so").unlink()
    (lib / "y.so").unlink()
    restore_built_in_place(tmp_path / "home", app)
    assert (app / "src" / "x.so").read_text() == "compiled"
    assert (lib / "y.so").read_text() == "beside the app"


def test_nothing_is_put_over_a_file_of_the_app(tmp_path: Path) -> None:
    kept = tmp_path / "home" / "built-in-place"
    kept.mkdir(parents=True)
    (kept / "x.so").write_text("older")
    (tmp_path / "x.so").write_text("the app's")
    restore_built_in_place(tmp_path / "home", tmp_path)
    assert (tmp_path / "x.so").read_text() == "the app's"


def test_most_environments_have_nothing_to_put_back(tmp_path: Path) -> None:
    restore_built_in_place(tmp_path / "home", tmp_path)
    assert list(tmp_path.iterdir()) == []
