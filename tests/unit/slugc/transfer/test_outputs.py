"""Outputs appear whole, and never in the place of what is there."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.transfer.outputs import (
    TargetExistsError,
    TargetNotWrittenError,
    TerminalError,
    new_directory,
    opened_output,
)
from tests.unit.slugc.transfer.made import names


def fail() -> None:
    """Something goes wrong on the way."""
    raise ValueError("lost")


def test_file_appears_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.tgz"
    with opened_output(str(path), force=False) as out:
        out.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert names(tmp_path) == ["x.tgz"]


def test_half_a_file_never_stays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lost"), opened_output(str(tmp_path / "x"), force=False):
        fail()
    assert names(tmp_path) == []


def test_half_a_directory_never_stays(tmp_path: Path) -> None:
    def fill() -> None:
        with new_directory(tmp_path / "x", force=False) as new:
            (new / "file").write_text("half")
            fail()

    with pytest.raises(ValueError, match="lost"):
        fill()
    assert names(tmp_path) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with (
        pytest.raises(TargetExistsError) as caught,
        opened_output(str(tmp_path / "x"), force=False),
    ):
        pass
    assert (tmp_path / "x").read_text() == "mine"
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"{tmp_path}/x is there already\n\nNothing was written.\n\n"
        "Give another target, or --force to replace it."
    )


def test_a_directory_with_files_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.mkdir()
    (place / "mine").write_text("mine")
    with pytest.raises(TargetExistsError), new_directory(place, force=False):
        pass
    with new_directory(place, force=True) as new:
        (new / "theirs").write_text("theirs")
        assert (place / "mine").exists()  # until the other is whole
    assert names(place) == ["theirs"]
    assert names(tmp_path) == ["x"]


def test_a_directory_whose_place_cannot_be_taken_is_there_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, rename = tmp_path / "x", Path.rename
    place.mkdir()
    (place / "mine").write_text("mine")

    def fail(path: Path, target: Path) -> Path:
        if target == place and path.suffix == ".tmp":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(TargetNotWrittenError), new_directory(place, force=True) as new:
        (new / "theirs").touch()
    assert (place / "mine").read_text() == "mine"
    assert names(tmp_path) == ["x"]


def test_the_directory_we_are_in_is_not_replaced_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "x" / "inner")
    for place in (tmp_path, tmp_path / "x", tmp_path / "x" / "inner"):
        with (
            pytest.raises(TargetNotWrittenError, match="cannot be written") as caught,
            new_directory(place, force=True),
        ):
            pass
        assert caught.value.details == "The current directory is in it."
    assert (tmp_path / "x" / "inner").is_dir()


def test_what_is_neither_file_nor_directory_is_not_replaced_by_force(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with (
        pytest.raises(TargetNotWrittenError) as caught,
        new_directory(tmp_path / "x", force=True),
    ):
        pass
    assert caught.value.details == "It is no regular file"
    assert (tmp_path / "x").is_fifo()
    assert names(tmp_path) == ["x"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with new_directory(tmp_path / "x", force=False) as new:
        (new / "file").write_text("new")
    assert names(tmp_path / "x") == ["file"]


def test_a_dangling_link_is_something_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("nowhere")
    with pytest.raises(TargetExistsError), new_directory(tmp_path / "x", force=False):
        pass


def test_a_full_disk_is_told_with_the_target(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        pytest.raises(TargetNotWrittenError) as caught,
        opened_output(str(tmp_path / "x"), force=False),
    ):
        full()
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"{tmp_path}/x cannot be written\n\nNo space left on device\n\n"
        "Nothing half-written was left there. Make room, or give another target."
    )
    assert names(tmp_path) == []


def test_a_screen_gets_no_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    with pytest.raises(TerminalError) as caught, opened_output("-", force=False):
        pass
    assert caught.value.text() == (
        "An archive is not written to a terminal\n\n"
        "Send it to a file or a program:\n\n    slugc export app.slug - > app.tgz"
    )
