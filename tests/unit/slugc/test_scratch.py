"""Scratch directories go, those of the dead too; those of the living stay, under any clock."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from buildpack.support.deletion import remove_tree
from slugc.scratch import LOCK, SCRATCH, TRIAL, opened_scratch


def test_a_scratch_is_gone_at_the_end_and_so_is_what_the_dead_left(tmp_path: Path) -> None:
    place = tmp_path / SCRATCH
    for name in ("scratch-killed", "scratch-killed-early", TRIAL, "another-s"):
        (place / name).mkdir(parents=True)
        (place / name / "file").write_text("x")
    (place / "scratch-killed" / LOCK).touch()
    with opened_scratch(tmp_path) as scratch:
        (scratch / "file").write_text("x")
        assert scratch.is_relative_to(place)
        assert names(place) == sorted([scratch.name, TRIAL, "another-s"])
    assert names(place) == ["another-s", TRIAL]


def test_a_build_of_hours_keeps_its_scratch_under_any_clock(tmp_path: Path) -> None:
    with opened_scratch(tmp_path) as long:
        os.utime(long, (0, 0))
        os.utime(long / LOCK, (0, 0))
        with opened_scratch(tmp_path) as short:
            assert short != long
        assert names(tmp_path / SCRATCH) == [long.name]


def test_what_cannot_be_deleted_keeps_nobody_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / SCRATCH / "scratch-left"
    left.mkdir(parents=True)

    def refuse(path: Path) -> None:
        if path == left:
            raise PermissionError(1, "Operation not permitted", str(path))
        remove_tree(path)

    monkeypatch.setattr("slugc.scratch.remove_tree", refuse)
    with opened_scratch(tmp_path) as scratch:
        assert scratch.is_dir()
    assert names(tmp_path / SCRATCH) == [left.name]


def test_only_who_builds_may_pass_through_a_scratch(tmp_path: Path) -> None:
    mode = 0o710 if os.getuid() == 0 else 0o700
    with opened_scratch(tmp_path) as scratch:
        for path in (scratch, scratch.parent):
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert path.stat().st_uid == os.getuid()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != f".{LOCK}")
