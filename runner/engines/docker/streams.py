"""Carries bytes between a container's attached socket and the descriptors we were given."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import termios
import tty
from collections.abc import Callable, Iterator, Mapping

CHUNK = 64 * 1024
PIECE = 4096  # PIPE_BUF: what a pipe that poll() calls writable takes without blocking
HEADER = struct.Struct(">B3xI")  # stream (1 output, 2 errors) and length, of each piece of output
WINDOW_CHECK = 0.2  # seconds; a terminal's new size is seen only by asking

Receive = Callable[[int], bytes]


def pump_pieces(receive: Receive, targets: Mapping[int, int], *, stop: int) -> None:
    """Write each piece of output to the descriptor of its stream until the socket ends."""
    for stream, piece in read_pieces(receive):
        target = targets.get(stream)
        if target is not None:
            write_all(target, piece, stop=stop)


def pump_raw(receive: Receive, target: int, *, stop: int) -> None:
    """Write a terminal's output, which has no pieces, until the socket ends."""
    while data := _receive(receive):
        write_all(target, data, stop=stop)


def read_pieces(receive: Receive) -> Iterator[tuple[int, bytes]]:
    """The output as (stream, bytes), in order, no matter how the socket cuts it."""
    held = bytearray()
    stream, missing = 0, 0
    while data := _receive(receive):
        held += data
        while held:
            if not missing:
                if len(held) < HEADER.size:
                    break
                stream, missing = HEADER.unpack_from(held)
                del held[: HEADER.size]
                continue
            piece = bytes(held[:missing])
            del held[:missing]
            missing -= len(piece)
            yield stream, piece


def write_all(target: int, data: bytes, *, stop: int) -> None:
    """Write everything, waiting where the reader is slow, but not once ``stop`` is readable.

    A reader that has gone is no error: the container's other output still has one.
    """
    view = memoryview(data)
    poller = select.poll()
    poller.register(target, select.POLLOUT)
    poller.register(stop, select.POLLIN)
    while view:
        if stop in dict(poller.poll()):
            return
        try:
            view = view[os.write(target, view[:PIECE]) :]
        except OSError:  # EPIPE; EIO where the other side of a terminal has been closed
            return


def pump_input(source: int, target: socket.socket, *, stop: int) -> bool:
    """Send what ``source`` gives until it ends; False when ``stop`` became readable first."""
    while True:
        ready, _, _ = select.select([source, stop], [], [])
        if stop in ready:
            return False
        data = _read(source)
        if not data:
            return True
        if not _send(target, data):
            return False


def pump_terminal(
    source: int, target: socket.socket, *, stop: int, resize: Callable[[int, int], None]
) -> None:
    """Send keys, and the window's size when it changes, until ``stop`` becomes readable.

    Our side of the terminal is raw meanwhile: echo, line editing and Ctrl-C are the business of
    the terminal inside the container.
    """
    with raw_mode(source):
        size = window_size(source)
        while True:
            if size != (size := window_size(source)):
                resize(*size)
            ready, _, _ = select.select([source, stop], [], [], WINDOW_CHECK)
            if stop in ready:
                return
            if source in ready:
                data = _read(source)
                if not data or not _send(target, data):
                    return


def window_size(terminal: int) -> tuple[int, int]:
    """Rows and columns."""
    columns, rows = os.get_terminal_size(terminal)
    return rows, columns


@contextlib.contextmanager
def raw_mode(terminal: int) -> Iterator[None]:
    """The terminal passes every byte through; as it was before, afterwards."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # its other side has been closed
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _receive(receive: Receive) -> bytes:
    try:
        return receive(CHUNK)
    except OSError:  # reset, or closed by us on the way out: the stream is over either way
        return b""


def _read(source: int) -> bytes:
    try:
        return os.read(source, CHUNK)
    except OSError:  # EIO: the other side of a terminal has been closed
        return b""


def _send(target: socket.socket, data: bytes) -> bool:
    try:
        target.sendall(data)
    except OSError:  # the container no longer reads
        return False
    return True
