"""Bytes from one descriptor to another."""

from __future__ import annotations

import contextlib
import errno
import os
import select
from pathlib import Path

import pytest

from runner.pump import Pump


def carry(pump: Pump) -> None:
    while (wanted := pump.wants()) is not None:
        poller = select.poll()
        poller.register(*wanted)
        assert poller.poll(2000), "stuck"
        pump.step()


def test_all_bytes_arrive_and_the_end_is_passed_on() -> None:
    source, feed = os.pipe()
    drain, target = os.pipe()
    os.write(feed, b"\x00\xff" * 1000)
    os.close(feed)
    carry(Pump(source, target, close=lambda: os.close(target)))
    assert os.read(drain, 65536) == b"\x00\xff" * 1000
    assert os.read(drain, 1) == b""
    os.close(source)
    os.close(drain)


def test_a_reader_who_left_ends_it_and_is_told_once() -> None:
    source, feed = os.pipe()
    drain, target = os.pipe()
    os.close(drain)
    closed: list[int] = []
    pump = Pump(source, target, close=lambda: closed.append(1))
    os.write(feed, b"x")
    carry(pump)
    pump.finish()
    assert (pump.done, closed) == (True, [1])
    for descriptor in (source, feed, target):
        os.close(descriptor)


def test_nothing_to_read_just_now_is_not_the_end() -> None:
    source, feed = os.pipe()
    os.set_blocking(source, False)
    pump = Pump(source, feed)
    assert pump.step() == b""
    assert not pump.done
    os.close(source)
    os.close(feed)


def test_drain_takes_what_is_there_and_does_not_wait_for_more() -> None:
    source, feed = os.pipe()
    drain, target = os.pipe()
    os.write(feed, b"last words")
    pump = Pump(source, target)
    pump.drain(interrupted=lambda: False)
    assert os.read(drain, 100) == b"last words"
    assert not pump.done
    for descriptor in (source, feed, drain, target):
        os.close(descriptor)


def test_drain_does_not_wait_for_a_reader_who_does_not_read_once_we_should_stop() -> None:
    source, feed = os.pipe()
    drain, target = os.pipe()
    os.set_blocking(target, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(target, b"x" * 4096):
            pass
    os.write(feed, b"last words")
    pump = Pump(source, target)
    answers = iter([False, True])
    pump.drain(interrupted=lambda: next(answers))
    assert list(answers) == []
    for descriptor in (source, feed, drain, target):
        os.close(descriptor)


def test_a_terminal_that_was_closed_ends_it() -> None:
    source, feed = os.pipe()
    window, terminal = os.openpty()
    os.close(window)
    os.write(feed, b"x")
    pump = Pump(source, terminal)
    carry(pump)
    assert pump.done
    for descriptor in (source, feed, terminal):
        os.close(descriptor)


def test_a_disk_that_fails_is_no_reader_who_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int, data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    source, feed = os.pipe()
    os.write(feed, b"x")
    with (tmp_path / "out").open("wb") as file:
        pump = Pump(source, file.fileno())
        pump.step()
        monkeypatch.setattr(os, "write", fails)
        with pytest.raises(OSError, match="Input/output error"):
            pump.step()
    monkeypatch.undo()
    os.close(source)
    os.close(feed)
