"""AppLog: what containers write becomes lines of the log, whatever it is and whatever fails."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from buildpack.support.errors import ExitCode
from runner.logbook.app_log import AppLog, LogDirectoryError
from runner.logbook.loss import shown_time
from runner.logbook.reader import Line
from runner.logbook.spool import SpoolError
from runner.logbook.store import Bounds
from runner.logs import CUT_MARK, MAX_LINE
from tests.unit.runner.logbook.containers import NOW, Container, lines, texts


def test_lines_carry_time_source_and_name(log: AppLog, directory: Path) -> None:
    log.system("api", "Release v1 created by me")
    container = Container(log)
    log.system("web.1", "State changed from starting to up")
    container.says(b"hello\n")
    at = "2025-11-22T10:00:01.123456+00:00"
    assert lines(directory) == [
        Line(time=at, source="slug-run", name="api", text="Release v1 created by me"),
        Line(time=at, source="slug-run", name="web.1", text="State changed from starting to up"),
        Line(time=at, source="app", name="web.1", text="hello"),
    ]
    container.ends()


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a", b"b\nc"), ["ab", "c"]),
        ((b"a\r\nb\r\n",), ["a", "b"]),
        ((b"a\r", b"\nb\n"), ["a", "b"]),
        ((b"10%\r20%\r", b"30%\n"), ["10%", "20%", "30%"]),
        ((b"10%\r", b"20%\r"), ["10%", "20%"]),
        ((b"\n\n",), ["", ""]),
        ((b"\xff\xfe ok\n",), ["\ufffd\ufffd ok"]),
        ((b"\xc3", b"\xa9\n"), ["é"]),
        ((b"\x00\x01\x1b[2J\n",), ["\x00\x01\x1b[2J"]),
        ((), []),
    ],
)
def test_lines_are_the_same_however_they_arrive(
    chunks: tuple[bytes, ...], expected: list[str], log: AppLog, directory: Path
) -> None:
    container = Container(log)
    container.says(*chunks)
    container.ends()
    assert texts(directory) == expected


def test_a_line_is_in_the_log_as_soon_as_it_is_whole(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"one\ntw")
    assert texts(directory) == ["one"]
    container.says(b"o\n")
    assert texts(directory) == ["one", "two"]
    container.ends()


def test_a_long_line_is_cut_and_marked_and_nothing_is_lost(log: AppLog, directory: Path) -> None:
    container = Container(log)
    written = ("é" * 100_000 + "\nshort\n" + "y" * 40_000 + "\n").encode()
    for at in range(0, len(written), 5000):
        container.says(written[at : at + 5000])
    container.ends()
    found = texts(directory)
    assert all(len(text.removesuffix(CUT_MARK).encode()) <= MAX_LINE for text in found)
    assert "\ufffd" not in "".join(found)
    whole = "".join(t.removesuffix(CUT_MARK) if t.endswith(CUT_MARK) else t + "\n" for t in found)
    assert whole.encode() == written


def test_binary_without_line_ends_is_logged_while_it_comes(log: AppLog, directory: Path) -> None:
    container = Container(log)
    for _ in range(100):
        container.says(b"\x00\xff" * 5000)
    assert sum(len(text.removesuffix(CUT_MARK)) for text in texts(directory)) > 900_000
    assert sum(each.stat().st_size for each in (directory / "spool").rglob("*")) < 2_000_000
    container.ends()


def test_what_looks_like_our_own_format_is_only_text(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"real\n")
    copied = (directory / "00000001.log").read_bytes()
    harmless = copied.replace(copied[15:23], b"abcdef01")  # it cannot know the token
    container.says(harmless)
    container.says(b"last\n")
    container.ends()
    found = texts(directory)
    assert found[0] == "real"
    assert found[-1] == "last"
    assert len(found) == 2 + harmless.count(b"\n")


def test_files_are_nobody_elses(log: AppLog, directory: Path) -> None:
    container = Container(log)
    container.says(b"secret")
    for path in directory.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert any(path.read_bytes() == b"secret" for path in directory.rglob("0*0"))
    container.ends()
    assert list((directory / "spool").iterdir()) == []


def test_the_log_is_bounded(directory: Path) -> None:
    with AppLog(directory, bounds=Bounds(files=3, file_size=20_000)) as log:
        container = Container(log)
        for number in range(2000):
            container.says(b"line %d %s\n" % (number, b"x" * 90))
        container.ends()
    files = sorted(directory.glob("*.log"))
    assert len(files) == 3
    assert all(each.stat().st_size < 21_000 for each in files)
    assert texts(directory)[-1].startswith("line 1999 ")


def test_a_key_that_is_used_again_is_another_container(log: AppLog, directory: Path) -> None:
    for text in (b"first\n", b"second, longer\n"):
        container = Container(log)
        container.says(text)
        container.ends()
    assert texts(directory) == ["first", "second, longer"]


def test_whom_a_container_leaves_behind_is_not_waited_for(log: AppLog, directory: Path) -> None:
    container = Container(log)
    os.write(container.writer, b"before\nno end")
    log.close_container("k1")  # the other end is still open
    assert texts(directory) == ["before", "no end"]


def test_the_clock_may_say_anything(directory: Path) -> None:
    moments = iter([NOW] * 2 + [NOW - 86_400] + [NOW + 10 * 365 * 86_400] + [-5.0] + [1e15])
    with AppLog(directory, clock=lambda: next(moments)) as log:
        for number in range(5):
            log.system("api", f"note {number}")
    assert texts(directory) == [f"note {number}" for number in range(5)]
    assert [line.time[:4] for line in lines(directory)] == ["2025", "2025", "2035", "1970", "9999"]
    assert shown_time(10**30).startswith("9999-12-31")


def test_where_splice_is_refused_it_is_read_and_written(
    log: AppLog, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EINVAL, "no splice here")

    monkeypatch.setattr(os, "splice", refuse)
    container = Container(log)
    container.says(b"one\n", b"two\n")
    container.ends()
    assert texts(directory) == ["one", "two"]


def test_a_log_that_cannot_be_written_at_all(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("not a directory")
    with pytest.raises(LogDirectoryError) as caught:
        AppLog(tmp_path / "log")
    assert caught.value.exit_code is ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"slug-run cannot write the log in {tmp_path / 'log'}\n\nFile exists\n\n"
        "Make room, or allow writing there; SLUGKIT_HOME chooses another place."
    )


def test_a_name_that_cannot_be_a_file_name(log: AppLog, tmp_path: Path) -> None:
    with pytest.raises(SpoolError) as caught:
        log.open_container("../k", "web.1", 0)
    assert caught.value.text() == "'../k' cannot be the key or the name of a container"
