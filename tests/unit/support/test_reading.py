"""What programs print is read in bounded memory, and no longer than they live."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from buildpack.support import command as command_module
from buildpack.support.command import Command, CommandOutputError, capture, stream
from buildpack.support.errors import ExitCode
from buildpack.support.reading import MAX_LINE, LineCutter


def sh(script: str, *, stdin: bytes | None = None) -> Command:
    return Command(
        argv=("/bin/sh", "-c", script),
        cwd=Path("/"),
        env={"PATH": os.defpath},
        timeout=20,
        stdin=stdin,
        title="bin/detect",
    )


def test_lines_are_the_same_however_they_arrive() -> None:
    text = b"one\r\n\ntwo\xff\nthree"
    for size in (1, 2, 100):
        got: list[str] = []
        cutter = LineCutter(got.append)
        for at in range(0, len(text), size):
            cutter.feed(text[at : at + size])
        cutter.finish()
        assert got == ["one", "", "two\ufffd", "three"]


def test_a_line_that_never_ends_is_handed_over_in_pieces() -> None:
    got: list[str] = []
    cutter = LineCutter(got.append)
    began = time.thread_time()
    for _ in range(2000):
        cutter.feed(b"x" * 32768)
    cutter.finish()
    assert max(map(len, got)) == MAX_LINE
    assert sum(map(len, got)) == 2000 * 32768
    assert time.thread_time() - began < 5  # linear in what arrives


def test_more_than_anybody_asked_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "MAX_CAPTURED", 1 << 20)
    for where in ("", " >&2"):
        with pytest.raises(CommandOutputError) as caught:
            capture(sh(f"yes{where}"))
        assert caught.value.exit_code is ExitCode.DATA
        assert caught.value.text() == (
            "'bin/detect' printed more than 1 MiB\n\n"
            "It was ended, and nothing of what it printed was used."
        )


def test_a_child_left_behind_with_our_pipe_does_not_keep_us() -> None:
    began = time.monotonic()
    assert capture(sh("sleep 30 & echo done")) == "done\n"
    got: list[str] = []
    stream(sh("(while sleep 0.01; do echo more; done) & sleep 0.1; echo done"), got.append)
    assert "done" in got
    assert time.monotonic() - began < 20


def test_input_is_fed_while_output_is_read() -> None:
    much = b"x" * 3_000_000
    assert capture(sh("cat", stdin=much)) == much.decode()
    assert capture(sh("exec <&-; echo deaf", stdin=much)) == "deaf\n"


def test_a_program_that_closes_its_output_is_waited_for() -> None:
    began = time.monotonic()
    stream(sh("exec >&- 2>&-; sleep 0.3"), lambda _: None)
    assert time.monotonic() - began >= 0.3


def test_of_too_much_only_the_last_lines_are_handed_over() -> None:
    got: list[str] = []
    cutter = LineCutter(got.append, most=100)
    cutter.feed(b"first\n")
    for number in range(100_000):
        cutter.feed(b"line %d\n" % number)
    cutter.finish()

    assert got[:2] == ["first", "line 0"]
    assert got[-1] == "line 99999"
    assert sum(map(len, got)) < 70_000


def test_a_last_line_without_an_end_is_handed_over_once() -> None:
    got: list[str] = []
    cutter = LineCutter(got.append, most=100)
    cutter.feed(b"a\nb")
    cutter.finish()
    cutter.finish()

    assert got == ["a", "b"]
