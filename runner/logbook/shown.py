"""Shows lines of a log to a person or a program, and keeps showing as they come."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Iterable

from runner.logbook.reader import Line, LogReader
from runner.logs import COLORS, DIM, RESET, clean

PAUSE_MS = 50  # between two looks at a log that does not grow: a thousandth of a processor
AT_ONCE = 256 * 1024  # bytes of lines that are put together before they are written


class ReaderGoneError(BrokenPipeError):
    """Nobody reads what we print any more; main answers it with 141."""


class Formatter:
    """Lines as bytes: Heroku's format, or one JSON object each."""

    def __init__(self, *, color: bool, as_json: bool) -> None:
        self._color, self._as_json = color, as_json
        self._colors: dict[str, str] = {}

    def __call__(self, line: Line) -> bytes:
        shown = self._json(line) if self._as_json else self._text(line)
        return shown.encode("utf-8", "replace")

    def _json(self, line: Line) -> str:
        found = {"time": line.time, "source": line.source, "name": line.name, "text": line.text}
        return json.dumps(found) + "\n"  # in ASCII: no control character reaches a terminal

    def _text(self, line: Line) -> str:
        before = f"{line.time} {line.source}[{line.name}]:"
        if not self._color:
            return f"{before} {clean(line.text, color=False)}\n"
        if line.source != "app":
            text = f"{DIM}{clean(line.text, color=False)}{RESET}"
        else:
            text = clean(line.text, color=True)
        return f"{self._color_of(line.name)}{before}{RESET} {text}\n"

    def _color_of(self, name: str) -> str:
        return self._colors.setdefault(name, COLORS[len(self._colors) % len(COLORS)])


def show(lines: Iterable[Line], formatted: Callable[[Line], bytes], descriptor: int) -> bool:
    """Write the lines that are there; whether there were any."""
    waiting, size = [], 0
    found = False
    for line in lines:
        found = True
        waiting.append(formatted(line))
        size += len(waiting[-1])
        if size >= AT_ONCE:
            write_all(descriptor, b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        write_all(descriptor, b"".join(waiting))
    return found


def follow(
    reader: LogReader, formatted: Callable[[Line], bytes], descriptor: int,
    *, missed: Callable[[int], None],
) -> None:  # fmt: skip
    """Write lines as they come, until the reader of ours is gone, or the app is."""
    poller = select.poll()
    poller.register(descriptor, 0)  # only what poll always reports: no reader, no terminal any more
    told = 0
    while True:
        show(reader.lines(), formatted, descriptor)
        if reader.missed > told:
            missed(reader.missed - told)
            told = reader.missed
        if any(events & (select.POLLERR | select.POLLHUP) for _, events in poller.poll(PAUSE_MS)):
            raise ReaderGoneError
        if reader.is_gone:
            return


def write_all(descriptor: int, data: bytes) -> None:
    """Write, waiting for a reader that takes its time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
