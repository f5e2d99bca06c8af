"""Cuts what arrives in pieces into the lines a build log is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from buildpack.support.command import MAX_STREAMED
from buildpack.support.reading import LineCutter


def hand_over_lines(
    pieces: Iterable[tuple[int, bytes]],
    on_out: Callable[[str], None],
    on_error: Callable[[str], None],
) -> None:
    """Cut two streams that arrive in pieces into lines; the last may lack its end.

    A piece is (stream, bytes): 1 is standard output, 2 standard error.
    """
    out, error = (LineCutter(each, most=MAX_STREAMED) for each in (on_out, on_error))
    for stream, piece in pieces:
        (out if stream == 1 else error).feed(piece)
    out.finish()
    error.finish()
