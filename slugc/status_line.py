"""One row at the bottom of a terminal, drawn anew while lines scroll by above it.

It is one row whatever the width, and goes out in a single write together with what scrolls by, so
nothing flickers. No state of the terminal is changed, not even its cursor hidden: whatever ends
us, there is nothing to restore.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable
from typing import TextIO

BEAT = 0.1  # seconds between two pictures
NARROWEST = 20  # columns; with fewer there is no room to say anything
SPARE = 3  # columns: a terminal shows ^C where the row ends
ERASE_ROW, ERASE_BELOW = "\r\x1b[K", "\r\x1b[J"


class StatusLine:
    """Shows what ``picture`` gives for a number of columns, ten times a second.

    ``paint`` adds colours to it, which take no room.
    """

    def __init__(
        self,
        stream: TextIO,
        picture: Callable[[int], str],
        *,
        columns: Callable[[TextIO], int] | None = None,
        paint: Callable[[str], str] = str,
    ) -> None:
        self._stream, self._picture, self._paint = stream, picture, paint
        self._columns = columns or terminal_columns
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._drawn = 0
        """columns of the row that is on the screen now"""

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        """Take the row away; what was above it stays."""
        self._over.set()
        if self._ticker.is_alive():
            self._ticker.join()
        with self._lock:
            self._write(self._erasing())
            self._drawn = 0

    def above(self, text: str) -> None:
        """Let whole lines scroll by."""
        with self._lock:
            self._write(self._erasing() + text + ("" if self._over.is_set() else self._row()))

    def _tick(self) -> None:
        while not self._over.wait(BEAT):
            with self._lock:
                if not self._over.is_set():
                    self._write(self._erasing() + self._row())

    def _erasing(self) -> str:
        """What takes the last picture away, also where the terminal has become narrower since,
        and has put what no longer fitted into rows below."""
        if not self._drawn:
            return ""
        rows = -(-self._drawn // max(self._columns(self._stream), 1))
        return ERASE_ROW if rows == 1 else f"\x1b[{rows - 1}A{ERASE_BELOW}"

    def _row(self) -> str:
        columns = self._columns(self._stream)
        row = self._picture(columns - SPARE) if columns >= NARROWEST else ""
        self._drawn = text_width(row)
        return self._paint(row)

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


def terminal_columns(stream: TextIO) -> int:
    """How wide the terminal is at this moment."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def text_width(text: str) -> int:
    """How many columns a text without control characters takes."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(character) for character in text)


def fitted(text: str, columns: int) -> str:
    """``text``, or as much of its beginning as fits."""
    if text_width(text) <= columns:
        return text
    taken, width = [], 1  # of the ellipsis
    for character in text:
        width += _columns_of(character)
        if width > columns:
            break
        taken.append(character)
    return "".join(taken).rstrip() + "…" if columns > 0 else ""


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
