"""Cuts what arrives in pieces into the lines a build log is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def hand_over_lines(
    pieces: Iterable[tuple[int, bytes]],
    on_out: Callable[[str], None],
    on_error: Callable[[str], None],
) -> None:
    """Cut two streams that arrive in pieces into lines; the last may lack its end.

    A piece is (stream, bytes): 1 is standard output, 2 standard error.
    """
    out, error = bytearray(), bytearray()
    for stream, piece in pieces:
        if stream == 1:
            _take_lines(out, piece, on_out)
        else:
            _take_lines(error, piece, on_error)
    for rest, on_line in ((out, on_out), (error, on_error)):
        if rest:
            on_line(_text(rest))


def _take_lines(held: bytearray, piece: bytes, on_line: Callable[[str], None]) -> None:
    held += piece
    *lines, rest = bytes(held).split(b"\n")
    held[:] = rest
    for line in lines:
        on_line(_text(line))


def _text(line: bytes | bytearray) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
