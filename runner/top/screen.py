"""The terminal while ``top`` has it: another buffer, no cursor, no echo, and all of it put back.

Six sequences that every terminal of the last thirty years knows, so no library: what is drawn is
a list of lines (`picture`), which `--once` and the tests have as well.
"""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from runner.top.spans import Line, painted, width

# The other buffer, no cursor, no wrapping at the last column; and back.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _ERASE_REST, _ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_USUAL = (24, 80)


class Screen:
    """A terminal to draw on. Use as a context manager."""

    def __init__(self, keyboard: int, display: int, *, color: bool) -> None:
        self._keyboard, self._display, self._color = keyboard, display, color
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            self.leave()

    def enter(self) -> None:
        """Take it over; keys come one by one and unseen, Ctrl-C still is a signal."""
        self._before = termios.tcgetattr(self._keyboard)
        changed = termios.tcgetattr(self._keyboard)
        changed[3] &= ~(termios.ECHO | termios.ICANON)
        changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._keyboard, termios.TCSADRAIN, changed)
        self._write(_ENTER)

    def leave(self) -> None:
        """Give it back as it was."""
        before, self._before = self._before, None
        if before is None:
            return
        try:
            self._write(_LEAVE)
        finally:
            # What was typed ahead was meant for us.
            termios.tcsetattr(self._keyboard, termios.TCSAFLUSH, before)

    def size(self) -> tuple[int, int]:
        """Rows and columns at this moment."""
        try:
            found = os.get_terminal_size(self._display)
        except OSError:
            return _USUAL
        return found.lines or _USUAL[0], found.columns or _USUAL[1]

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these and nothing else, in one write, so that nothing flickers."""
        rows, columns = self.size()
        shown = "\r\n".join(self._row(each, columns) for each in lines[:rows])
        self._write(_HOME + shown + (_ERASE_BELOW if len(lines) < rows else ""))

    def _row(self, line: Line, columns: int) -> str:
        row = painted(line, columns, color=self._color)
        # Behind a full row the cursor stands on its last character.
        return row if width(line) >= columns else row + _ERASE_REST

    def _write(self, text: str) -> None:
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest:
            rest = rest[os.write(self._display, rest) :]
