"""Copying a Python of the build machine before it is known whether it will be needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from buildpack.runtime.early_copy import EarlyCopy, PassedOver
from buildpack.runtime.errors import RuntimeBrokenError
from buildpack.runtime.interpreter import Interpreter, probe


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


def copying(place: Path, *labels: str) -> EarlyCopy:
    early = EarlyCopy(iter([interpreter(label) for label in labels]), place, build)
    early.start()
    return early


def test_the_first_copy_that_works_is_taken(tmp_path: Path) -> None:
    early = copying(tmp_path / "copied", "broken", "good", "better")
    first = early.first()
    assert first is not None
    assert first.label == "broken"
    assert early.take(tmp_path / "home")
    assert (tmp_path / "home" / "python").read_text() == "good"
    assert early.passed_over == [PassedOver("broken", "it does not start")]
    early.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_copy_that_is_not_needed_is_removed(tmp_path: Path) -> None:
    early = copying(tmp_path / "copied", "good")
    early.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_copy_of_a_build_that_was_killed_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "copied").mkdir()
    early = copying(tmp_path / "copied")
    assert early.first() is None
    assert not early.take(tmp_path / "home")


def test_what_goes_wrong_is_told_where_the_copy_is_needed(tmp_path: Path) -> None:
    early = copying(tmp_path / "copied", "full", "good")
    with pytest.raises(OSError, match="no space left"):
        early.take(tmp_path / "home")
    early.discard()
    assert list(tmp_path.iterdir()) == []
