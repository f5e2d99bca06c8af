"""A buildpack that fails for want of room is told apart from one that fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.buildpacks.errors import PhaseFailedError
from slugc.out_of_space import (
    NearlyFullError,
    PhaseOutOfSpaceError,
    is_full,
    out_of_space_told,
)
from slugc.sandbox.limits import LimitReachedError, disk_reached, memory_reached


def fail(place: Path, *lines: str) -> PhaseFailedError:
    with pytest.raises(PhaseFailedError) as caught, out_of_space_told(place, has_limit=False):
        raise PhaseFailedError("compile", "tiny", 1, lines)
    return caught.value


def test_a_phase_that_says_so(tmp_path: Path) -> None:
    error = fail(tmp_path, "seq: write error: No space left on device")
    assert isinstance(error, PhaseOutOfSpaceError)
    assert error.exit_code == ExitCode.CANNOT_CREATE
    assert error.text() == (
        "bin/compile of the buildpack tiny ended with code 1\n\n"
        "seq: write error: No space left on device\n\n"
        f"There is no room left in {tmp_path}.\n"
        "Make some there, or set SLUGKIT_HOME to another directory: slugc prune"
    )


def test_a_phase_that_fails_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = os.statvfs(tmp_path)
    full = os.statvfs_result((*found[:4], 3, *found[5:]))
    no_inodes = os.statvfs_result((*found[:5], 1000, 0, 0, *found[8:]))
    for each in (full, no_inodes):
        monkeypatch.setattr(os, "statvfs", lambda _place, each=each: each)
        assert is_full(tmp_path)
        assert isinstance(fail(tmp_path, "something went wrong"), PhaseOutOfSpaceError)


def test_a_phase_that_fails_for_another_reason(tmp_path: Path) -> None:
    error = fail(tmp_path, "SyntaxError")
    assert not isinstance(error, PhaseOutOfSpaceError)
    assert error.exit_code == ExitCode.DATA


def test_a_build_that_takes_most_of_what_is_free(tmp_path: Path) -> None:
    with pytest.raises(NearlyFullError) as caught, out_of_space_told(tmp_path, has_limit=False):
        raise disk_reached("bin/compile", 1000)
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"There is not enough room in {tmp_path}\n\n"
        "bin/compile was stopped when it had used nine tenths of what was free.\n\n"
        "Make some there, or set SLUGKIT_HOME to another directory: slugc prune"
    )


def test_limits_that_somebody_set_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(LimitReachedError), out_of_space_told(tmp_path, has_limit=True):
        raise disk_reached("bin/compile", 1000)
    with pytest.raises(LimitReachedError), out_of_space_told(tmp_path, has_limit=False):
        raise memory_reached("bin/compile", 1000)
