"""Text with colours that may be left out: meaning never rests on them."""

from __future__ import annotations

from enum import StrEnum

from buildpack.support.values import value
from runner.logs import RESET, clean


class Style(StrEnum):
    """How a piece of text is painted."""

    PLAIN = ""
    BOLD = "\x1b[1m"
    DIM = "\x1b[2m"
    REVERSE = "\x1b[7m"
    GOOD = "\x1b[32m"
    WARM = "\x1b[33m"
    BAD = "\x1b[31m"
    KEY = "\x1b[36m"


@value
class Span:
    """A piece of a line."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Span, ...]


def painted(line: Line, columns: int | None, *, color: bool) -> str:
    """The line as it goes to a terminal, cut where that ends; None: as long as it is."""
    pieces, left = [], columns
    for span in line:
        text = clean(span.text, color=False)
        if left is not None:
            text = text[:left]
            left -= len(text)
        if text:
            pieces.append(f"{span.style}{text}{RESET}" if color and span.style else text)
    return "".join(pieces)


def width(line: Line) -> int:
    return sum(len(span.text) for span in line)
