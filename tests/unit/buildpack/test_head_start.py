"""Installing packages before the Python they are for is ready."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.head_start import HeadStart, has_built
from buildpack.installers import requirements
from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.installers.diagnosis.errors import InstallFailedError
from buildpack.package_manager import PackageManager
from buildpack.runtime.install import Runtime
from buildpack.runtime.interpreter import Interpreter, probe
from buildpack.tools import ToolBox

LINES = ("Resolved 1 package in 1ms", "Downloading x (1MiB)", " Downloaded x", " + x==1")


@pytest.fixture
def interpreter() -> Interpreter:
    found = probe(Path(os.path.realpath(sys.executable)), "ours")
    assert found is not None
    return found


def head_start(tmp_path: Path, manager: PackageManager = PackageManager.PIP) -> HeadStart:
    return HeadStart(
        app=App(root=tmp_path),
        dependencies=Dependencies(manager=manager, source="requirements.txt", inputs={}),
        cache_dir=tmp_path,
        env={},
        tools=ToolBox(directory=tmp_path / "tools", env={}),
    )


def runtime(tmp_path: Path, interpreter: Interpreter, provider: str = "host") -> Runtime:
    return Runtime(
        home=tmp_path / "python",
        version=interpreter.version,
        provider=provider,
        build_id="b",
        reason="r",
    )


def installs(monkeypatch: pytest.MonkeyPatch, *, built: str = "", fails: bool = False) -> None:
    def install(_dependencies: Dependencies, into: Install, on_line: OnLine) -> None:
        assert not into.may_build
        assert into.venv.python.resolve() == Path(os.path.realpath(sys.executable))
        for line in LINES:
            on_line(line)
        if built:
            (into.uv_cache_dir / "sdists-v9" / built).mkdir(parents=True)
        if fails:
            raise InstallFailedError(("no such package",), 1)
        (into.venv.site_packages / "x.py").touch()

    monkeypatch.setattr(requirements, "install", install)
    monkeypatch.setattr(ToolBox, "program", lambda _self, name: Path("/bin") / name)


def test_what_was_installed_is_handed_over(
    tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    installs(monkeypatch, built=".git")  # uv's own marker, not a build
    head, shown = head_start(tmp_path), list[str]()
    head.begin(interpreter)
    ready = head.finish(runtime(tmp_path, interpreter), shown.append)
    assert ready is not None
    assert list(ready.glob("lib/*/site-packages/x.py"))
    assert sorted(shown) == sorted(LINES)
    head.discard()
    assert not ready.exists()


def test_what_was_built_is_thrown_away_with_uvs_cache(
    tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    installs(monkeypatch, built="pypi")
    head = head_start(tmp_path)
    head.begin(interpreter)
    assert head.finish(runtime(tmp_path, interpreter), print) is None
    assert not (tmp_path / "uv").exists()


def test_a_failure_is_left_to_installing_in_earnest(
    tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    installs(monkeypatch, fails=True)
    head, shown = head_start(tmp_path), list[str]()
    head.begin(interpreter)
    assert head.finish(runtime(tmp_path, interpreter), shown.append) is None
    assert " + x==1" not in shown


def test_another_python_gets_nothing_of_it(
    tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    installs(monkeypatch)
    head = head_start(tmp_path)
    head.begin(interpreter)
    assert head.finish(runtime(tmp_path, interpreter, provider="uv"), print) is None


@pytest.mark.parametrize("manager", [PackageManager.POETRY, PackageManager.PIPENV])
def test_managers_of_their_own_are_not_started_twice(
    tmp_path: Path, interpreter: Interpreter, manager: PackageManager
) -> None:
    head = head_start(tmp_path, manager)
    head.begin(interpreter)
    assert head.finish(runtime(tmp_path, interpreter), print) is None


def test_there_is_no_head_start_where_uv_has_built_before(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    (tmp_path / "uv" / "sdists-v9" / "pypi").mkdir(parents=True)
    assert has_built(tmp_path / "uv")
    head = head_start(tmp_path)
    head.begin(interpreter)
    assert head.finish(runtime(tmp_path, interpreter), print) is None
    assert has_built(tmp_path / "uv")
