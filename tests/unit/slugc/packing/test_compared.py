"""What was compared with its digest is read again as soon as it could have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slugc.packing.compared import LASTS, Compared
from slugc.packing.frames import file_identity

DIGEST = "sha256:" + "5" * 64
SECOND = 1_000_000_000


class Frame:
    """One file, looked at by one build after another; each tells whether it was read."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "frame"
        self.notes = directory / "seals" / "compared"
        self.boot = directory / "boot_id"
        self.boot.write_text("first\n")
        self.file.write_bytes(b"whole")
        time.sleep(0.03)  # the tick of the file clock

    def is_read(self) -> bool:
        read = []

        def is_whole() -> bool:
            read.append(self.file)
            return True

        compared = Compared(self.notes, boot=self.boot)
        assert compared.identity(self.file, DIGEST, is_whole) == file_identity(self.file)
        compared.keep()
        return bool(read)


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    return Frame(tmp_path)


def test_a_file_is_compared_once(frame: Frame) -> None:
    assert [frame.is_read() for _ in range(3)] == [True, False, False]


def rewrite(file: Path) -> None:
    """As a damage would be that nothing but the ctime tells of."""
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"WHOLE")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"whole")
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)


@pytest.mark.parametrize("change", [rewrite, replace, lambda file: os.truncate(file, 4)])
def test_a_file_that_changed_is_compared_again(
    frame: Frame, change: Callable[[Path], object]
) -> None:
    frame.is_read()
    change(frame.file)
    assert frame.is_read()


def test_after_a_start_of_the_machine_everything_is_compared_again(frame: Frame) -> None:
    """A power cut may have come between a file and the disk."""
    frame.is_read()
    frame.boot.write_text("second\n")
    assert [frame.is_read(), frame.is_read()] == [True, False]


@pytest.mark.parametrize("age", [LASTS + SECOND, -3600 * SECOND])
def test_a_note_of_yesterday_or_of_the_future_is_good_for_nothing(frame: Frame, age: int) -> None:
    frame.is_read()
    boot, line = frame.notes.read_text().splitlines()
    digest, noted, *identity = line.split()
    frame.notes.write_text(
        "\n".join((boot, " ".join((digest, str(int(noted) - age), *identity)), ""))
    )
    assert [frame.is_read(), frame.is_read()] == [True, False]


@pytest.mark.parametrize("boot", ["/nonexistent", "/proc/self/mem"], ids=["missing", "unreadable"])
def test_where_no_start_can_be_told_from_another_nothing_is_noted(frame: Frame, boot: str) -> None:
    frame.boot = Path(boot)
    assert [frame.is_read(), frame.is_read()] == [True, True]
    assert not frame.notes.exists()


def test_what_a_link_leads_to_is_compared_each_time(frame: Frame) -> None:
    real = frame.file.rename(frame.file.with_name("real"))
    frame.file.symlink_to(real)
    time.sleep(0.03)
    assert [frame.is_read(), frame.is_read()] == [True, True]


def test_a_file_of_this_very_moment_is_not_noted(
    frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write in the same tick would leave its ctime as it is."""
    made = frame.file.stat().st_ctime_ns
    monkeypatch.setattr("slugc.packing.compared.time.time_ns", lambda: made + 1)
    assert [frame.is_read(), frame.is_read()] == [True, True]


@pytest.mark.parametrize("content", [b"", b"\xff", b"first\n", b"first\nx y\n", b"first\nx\n"])
def test_notes_that_are_none_are_made_anew(frame: Frame, content: bytes) -> None:
    frame.notes.parent.mkdir()
    frame.notes.write_bytes(content)
    assert [frame.is_read(), frame.is_read()] == [True, False]


def test_what_is_not_whole_or_not_there_is_nothing(frame: Frame) -> None:
    compared = Compared(frame.notes, boot=frame.boot)
    assert compared.identity(frame.file, DIGEST, lambda: False) is None
    assert compared.identity(frame.file.with_name("none"), DIGEST, lambda: True) is None
    assert frame.is_read()


def test_notes_that_cannot_be_written_are_done_without(frame: Frame) -> None:
    frame.notes.parent.write_text("in the way")
    assert [frame.is_read(), frame.is_read()] == [True, True]
