"""Bytes between a container's socket and our descriptors, however they are cut."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from runner.engines.docker.streams import HEADER, pump_input, pump_pieces, read_pieces, write_all
from tests.waiting import PATIENCE


def receiver(data: bytes, size: int) -> Callable[[int], bytes]:
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    return lambda _count: next(pieces, b"")


@contextmanager
def a_pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        for descriptor in (reader, writer):
            try:
                os.close(descriptor)
            except OSError:
                continue  # the test has closed it


@pytest.mark.parametrize("size", [1, 7, 8, 9, 4096])
def test_pieces_are_the_same_wherever_the_socket_cuts_them(size: int) -> None:
    sent = [(1, b"out"), (2, b"error" * 100), (1, b"more")]
    data = b"".join(HEADER.pack(stream, len(piece)) + piece for stream, piece in sent)
    got: dict[int, bytes] = {}
    for stream, piece in read_pieces(receiver(data, size)):
        got[stream] = got.get(stream, b"") + piece
    assert got == {1: b"outmore", 2: b"error" * 100}


def test_a_socket_that_breaks_is_the_end_of_output() -> None:
    def broken(_count: int) -> bytes:
        raise ConnectionResetError

    assert list(read_pieces(broken)) == []


def test_output_goes_on_for_one_stream_when_the_other_has_no_reader() -> None:
    data = HEADER.pack(1, 4) + b"lost" + HEADER.pack(2, 4) + b"kept"
    with a_pipe() as (gone, out), a_pipe() as (reader, err), a_pipe() as (stop, _):
        os.close(gone)
        pump_pieces(receiver(data, 5), {1: out, 2: err}, stop=stop)
        assert os.read(reader, 16) == b"kept"


def test_writing_waits_for_a_slow_reader() -> None:
    data = os.urandom(1 << 20)
    with a_pipe() as (reader, writer), a_pipe() as (stop, _):
        thread = threading.Thread(target=write_all, args=(writer, data), kwargs={"stop": stop})
        thread.start()
        got = b""
        while len(got) < len(data):
            got += os.read(reader, 4096)
        thread.join(PATIENCE)
    assert got == data


def test_writing_ends_when_nobody_needs_the_rest() -> None:
    with a_pipe() as (_reader, writer), a_pipe() as (stop, stop_writer):
        data = bytes(1 << 20)
        thread = threading.Thread(target=write_all, args=(writer, data), kwargs={"stop": stop})
        thread.start()
        os.close(stop_writer)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_input_is_sent_to_its_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, a_pipe() as (source, feed), a_pipe() as (stop, _):
        os.write(feed, b"hello")
        os.close(feed)
        assert pump_input(source, ours, stop=stop) is True
        assert theirs.recv(16) == b"hello"


def test_input_is_given_up_when_the_container_has_ended() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, a_pipe() as (source, _feed), a_pipe() as (stop, stop_writer):
        os.close(stop_writer)
        assert pump_input(source, ours, stop=stop) is False
