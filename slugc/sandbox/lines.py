"""Cuts what arrives in pieces into the lines a build log is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def hand_over_lines(
    pieces: Iterator[tuple[bytes | None, bytes | None]],
    on_out: Callable[[str], None],
    on_error: Callable[[str], None],
) -> None:
    """Cut two streams that arrive in pieces into lines; the last may lack its end."""
    out, error = bytearray(), bytearray()
    for out_piece, error_piece in pieces:
        _take_lines(out, out_piece, on_out)
        _take_lines(error, error_piece, on_error)
    for rest, on_line in ((out, on_out), (error, on_error)):
        if rest:
            on_line(_text(rest))


def _take_lines(held: bytearray, piece: bytes | None, on_line: Callable[[str], None]) -> None:
    held += piece or b""
    *lines, rest = bytes(held).split(b"\n")
    held[:] = rest
    for line in lines:
        on_line(_text(line))


def _text(line: bytes | bytearray) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
