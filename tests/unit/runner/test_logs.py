"""Bytes of containers to lines a person reads."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from runner.logs import CUT_MARK, MAX_LINE, LineSplitter, LogWriter, clean


def lines_of(*chunks: bytes) -> list[str]:
    splitter = LineSplitter()
    found = [line for chunk in chunks for line in splitter.feed(chunk)]
    return found + list(splitter.finish())


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a", b"b\nc"), ["ab", "c"]),
        ((b"a\r\nb\r\n",), ["a", "b"]),
        ((b"a\r", b"\nb\n"), ["a", "b"]),
        ((b"a\r", b"\n", b"\nb"), ["a", "", "b"]),
        ((b"10%\r20%\r", b"30%\n"), ["10%", "20%", "30%"]),
        ((b"\n\n",), ["", ""]),
        ((b"\xff\xfe ok\n",), ["\ufffd\ufffd ok"]),
        ((b"\xc3", b"\xa9\n"), ["é"]),
        ((b"",), []),
    ],
)
def test_lines_are_the_same_however_they_arrive(
    chunks: tuple[bytes, ...], lines: list[str]
) -> None:
    assert lines_of(*chunks) == lines


def test_a_long_line_is_cut_and_marked_and_nothing_is_lost() -> None:
    found = lines_of(b"x" * (MAX_LINE * 2 + 10) + b"\n")
    assert [len(line.removesuffix(CUT_MARK)) for line in found] == [MAX_LINE, MAX_LINE, 10]
    assert [line.endswith(CUT_MARK) for line in found] == [True, True, False]


def test_a_cut_does_not_split_a_character() -> None:
    found = lines_of("é".encode() * MAX_LINE)
    assert "\ufffd" not in "".join(found)
    assert "".join(line.removesuffix(CUT_MARK) for line in found) == "é" * MAX_LINE


def test_memory_is_bounded_without_any_line_end() -> None:
    splitter = LineSplitter()
    for _ in range(200):
        list(splitter.feed(b"y" * 65536))
        assert len(splitter._rest) <= MAX_LINE


@pytest.mark.parametrize(
    ("text", "plain", "colored"),
    [
        ("\x1b[31mred\x1b[0m", "red", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[2J\x1b[Hcleared", "cleared", "cleared"),
        ("\x1b]0;title\x07text", "text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link", "link"),
        ("\x1b(Bset", "set", "set"),
        ("a\x1b", "a", "a"),
        ("bell\x07 back\x08", "bell\\x07 back\\x08", "bell\\x07 back\\x08"),
        ("tab\tstays", "tab\tstays", "tab\tstays"),
        ("\x9b2J", "\\x9b2J", "\\x9b2J"),
    ],
)
def test_only_colours_reach_a_terminal_and_not_even_those_a_pipe(
    text: str, plain: str, colored: str
) -> None:
    assert clean(text, color=False) == plain
    assert clean(text, color=True) == colored


def written(tmp_path: Path, *, color: bool = False, prefix: bool = True) -> str:
    with (tmp_path / "log").open("wb") as file:
        log = LogWriter(
            descriptor=file.fileno(),
            names=("web.1", "worker.10"),
            color=color,
            prefix=prefix,
            clock=lambda: "12:00:01",
        )
        log.app("web.1", "hello")
        log.system("worker.10", "State changed from starting to up")
    return (tmp_path / "log").read_text()


def test_a_reader_of_longer_lines_gets_them_whole() -> None:
    line = "x" * (2 * MAX_LINE)
    assert list(LineSplitter(2 * MAX_LINE).feed(f"{line}\n".encode())) == [line]
    assert list(LineSplitter(2 * MAX_LINE).feed(f"{line}x\n".encode())) == [line + CUT_MARK, "x"]


def test_names_stand_in_one_column(tmp_path: Path) -> None:
    assert written(tmp_path) == (
        "12:00:01 app[web.1]          | hello\n"
        "12:00:01 slug-run[worker.10] | State changed from starting to up\n"
    )


def test_each_container_has_its_colour(tmp_path: Path) -> None:
    assert written(tmp_path, color=True) == (
        "\x1b[36m12:00:01 app[web.1]          |\x1b[0m hello\n"
        "\x1b[33m12:00:01 slug-run[worker.10] |\x1b[0m"
        " \x1b[2mState changed from starting to up\x1b[0m\n"
    )


def test_without_prefix_the_text_stands_alone(tmp_path: Path) -> None:
    assert written(tmp_path, prefix=False) == "hello\nState changed from starting to up\n"


def test_a_slow_reader_gets_everything() -> None:
    reader, writer = os.pipe()
    got: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reader, 1000):
            got.append(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    log = LogWriter(descriptor=writer, names=("web.1",), prefix=False)
    for number in range(2000):
        log.app("web.1", f"{number} " + "x" * 200)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert len(b"".join(got).splitlines()) == 2000


def test_a_reader_who_does_not_read_is_not_waited_for_once_we_should_stop() -> None:
    reader, writer = os.pipe()
    log = LogWriter(descriptor=writer, names=("web.1",), interrupted=lambda: True)
    for _ in range(1000):
        log.app("web.1", "x" * 1000)
        if log.dropped:
            break
    assert log.dropped == 1
    os.close(reader)
    os.close(writer)


def test_a_reader_who_left_is_noticed() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = LogWriter(descriptor=writer, names=("web.1",))
    log.app("web.1", "x")
    os.close(writer)
    assert log.closed


def test_a_terminal_that_was_closed_is_a_reader_who_left() -> None:
    window, terminal = os.openpty()
    os.close(window)
    log = LogWriter(descriptor=terminal, names=("web.1",))
    log.app("web.1", "x")
    os.close(terminal)
    assert log.closed


def test_once_a_reader_is_given_up_a_flood_of_lines_does_not_keep_us() -> None:
    reader, writer = os.pipe()
    log = LogWriter(descriptor=writer, names=("web.1",), interrupted=lambda: True)
    began = time.monotonic()
    for _ in range(5000):
        log.app("web.1", "")
    assert log.dropped > 1000
    assert time.monotonic() - began < 5  # at a tenth of a second each it would be five minutes
    os.read(reader, 1 << 20)
    dropped = log.dropped
    log.app("web.1", "back")
    assert log.dropped == dropped
    os.close(reader)
    os.close(writer)
