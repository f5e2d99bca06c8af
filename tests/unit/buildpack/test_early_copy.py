"""Copying a Python of the build machine before it is known whether it will be needed."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from buildpack.runtime import providers
from buildpack.runtime.early_copy import EarlyCopy, PassedOver
from buildpack.runtime.errors import PythonUnavailableError, RuntimeBrokenError
from buildpack.runtime.install import RuntimeRequest
from buildpack.runtime.interpreter import Interpreter, probe
from buildpack.runtime.managed import ProviderFailure
from buildpack.support.output import Output
from buildpack.tools import ToolBox
from buildpack.versions.python_version import read_known_versions


def interpreter(label: str) -> Interpreter:
    found = probe(Path(os.path.realpath(sys.executable)), label)
    assert found is not None
    return found


def build(made: Interpreter, place: Path) -> None:
    if made.label == "broken":
        raise RuntimeBrokenError("it does not start")
    if made.label == "full":
        raise OSError("no space left")
    (place / "python").write_text(made.label)


def copying(place: Path, *labels: str, told: list[str] | None = None) -> EarlyCopy:
    """``told`` gets the label of what is announced."""
    offers = iter([interpreter(label) for label in labels])
    announced = [] if told is None else told
    early = EarlyCopy(offers, place, build, lambda first: announced.append(first.label))
    early.start()
    return early


def test_the_first_copy_that_works_is_taken(tmp_path: Path) -> None:
    told = list[str]()
    early = copying(tmp_path / "copied", "broken", "good", "better", told=told)
    assert early.take(tmp_path / "home")
    assert (tmp_path / "home" / "python").read_text() == "good"
    assert early.passed_over == [PassedOver("broken", "it does not start")]
    assert told == ["broken"]
    early.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_copy_that_is_not_needed_is_removed(tmp_path: Path) -> None:
    early = copying(tmp_path / "copied", "good")
    early.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_copy_of_a_build_that_was_killed_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "copied").mkdir()
    told = list[str]()
    early = copying(tmp_path / "copied", told=told)
    assert not early.take(tmp_path / "home")
    assert told == []


def test_what_goes_wrong_is_told_where_the_copy_is_needed(tmp_path: Path) -> None:
    early = copying(tmp_path / "copied", "full", "good")
    with pytest.raises(OSError, match="no space left"):
        early.take(tmp_path / "home")
    early.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_is_copied_is_announced_before_uv_has_said_whether_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced, waited = threading.Event(), []

    def no_managed_build(*_: object) -> ProviderFailure:
        waited.append(announced.wait(30))
        return ProviderFailure("uv", "no build")

    def no_copy(*_: object) -> None:
        raise RuntimeBrokenError("it does not start")

    monkeypatch.setattr(providers, "first_managed", no_managed_build)
    monkeypatch.setattr(providers, "find_interpreters", lambda *_, **__: [interpreter("first")])
    monkeypatch.setattr(providers, "build_runtime", no_copy)
    monkeypatch.setattr(ToolBox, "prefetch", lambda *_: None)
    monkeypatch.setattr(ToolBox, "program", lambda _, name: tmp_path / name)
    tools = ToolBox(directory=tmp_path, env={})
    wanted = RuntimeRequest(requested=None, known=read_known_versions(), env={}, cache_dir=tmp_path)
    with pytest.raises(PythonUnavailableError):
        providers.make_runtime(
            wanted, tmp_path / "home", tools, Output(), lambda _: announced.set()
        )
    assert waited == [True]
