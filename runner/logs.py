"""The log a person watches: bytes of many containers in, one readable stream out."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable, Iterator
from typing import Protocol

MAX_LINE = 16 * 1024
CUT_MARK = " [line cut at 16 KiB]"
WAIT_MS = 100
PIECE = 4096  # PIPE_BUF: a pipe that poll() calls writable takes this much without blocking

# Six colours that can be read on both dark and light ground.
COLORS = ("\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[96m")
DIM, RESET = "\x1b[2m", "\x1b[0m"

# Escape sequences (ECMA-48): CSI, then OSC and other strings, then the two-byte ones.
# Compiled at the first line, which is written while the app boots, not while the command starts.
_ESCAPE = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
_COLOR = r"\x1b\[[0-9;:]*m"
_CONTROL = r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f]"


class LineSplitter:
    """Cuts a container's bytes into lines, in bounded memory whatever the container writes.

    A carriage return ends a line too, so a progress bar shows its progress.
    """

    def __init__(self, longest: int = MAX_LINE) -> None:
        self._longest = longest
        self._rest = b""
        self._after_return = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that ``chunk`` completes."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        lines = re.split(b"\r\n|\n|\r", self._rest + chunk)
        self._rest = lines.pop()
        for line in lines:
            yield from self._pieces(line)
        while len(self._rest) > self._longest:
            piece, self._rest = cut(self._rest, self._longest)
            yield _decoded(piece) + CUT_MARK

    def finish(self) -> Iterator[str]:
        """What was written without a line end."""
        if self._rest:
            yield from self._pieces(self._rest)
        self._rest = b""

    def _pieces(self, line: bytes) -> Iterator[str]:
        while len(line) > self._longest:
            piece, line = cut(line, self._longest)
            yield _decoded(piece) + CUT_MARK
        yield _decoded(line)


def cut(line: bytes, longest: int = MAX_LINE) -> tuple[bytes, bytes]:
    """Split at the limit, not inside a UTF-8 character."""
    at = longest
    while at > longest - 4 and line[at] & 0xC0 == 0x80:
        at -= 1
    return line[:at], line[at:]


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def clean(text: str, *, color: bool) -> str:
    """``text`` without what could move, clear or retitle the reader's terminal.

    Colours stay where colour is wanted; they never run into the next line.
    """
    if text.isprintable():
        return text
    kept = re.sub(_ESCAPE, lambda found: _kept_escape(found[0], color=color), text)
    shown = re.sub(_CONTROL, lambda found: f"\\x{ord(found[0]):02x}", kept)
    return shown + RESET if color and "\x1b" in shown else shown


def _kept_escape(escape: str, *, color: bool) -> str:
    return escape if color and re.fullmatch(_COLOR, escape) else ""


class Log(Protocol):
    """Where the lines of a run go."""

    @property
    def closed(self) -> bool:
        """Whether nobody will ever read it again; the run ends then."""

    def app(self, name: str, text: str) -> None:
        """A line the container ``name`` wrote."""

    def system(self, name: str, text: str) -> None:
        """A line of ours about the container ``name``."""


class LogWriter:
    """Writes ``12:00:01 app[web.1]       | text`` to a descriptor, all names in one column.

    ``interrupted`` tells whether somebody wants us to stop: then a reader who does not read
    is not waited for. ``closed`` says that the reader has gone away, so that nothing needs to be
    written any more; ``dropped`` counts the lines nobody took.
    """

    def __init__(
        self,
        *,
        descriptor: int,
        names: tuple[str, ...],
        color: bool = False,
        prefix: bool = True,
        interrupted: Callable[[], bool] = lambda: False,
        clock: Callable[[], str] = lambda: time.strftime("%H:%M:%S"),
    ) -> None:
        self.descriptor, self.names = descriptor, names
        self.color, self.prefix = color, prefix
        self.interrupted, self.clock = interrupted, clock
        self.dropped, self.closed = 0, False
        # How long to wait before asking whether to stop: once a reader was given up, not at all,
        # or a flood of short lines would keep us for hours.
        self._patience = WAIT_MS

    def app(self, name: str, text: str) -> None:
        """A line the container ``name`` wrote."""
        self._write("app", name, clean(text, color=self.color))

    def system(self, name: str, text: str) -> None:
        """A line of ours about the container ``name``."""
        shown = clean(text, color=False)
        self._write("slug-run", name, f"{DIM}{shown}{RESET}" if self.color else shown)

    def _write(self, source: str, name: str, text: str) -> None:
        self._put(f"{self._prefix(source, name)}{text}\n".encode("utf-8", "replace"))

    def _prefix(self, source: str, name: str) -> str:
        if not self.prefix:
            return ""
        width = max(len(f"slug-run[{each}]") for each in (*self.names, name))
        label = f"{self.clock()} {f'{source}[{name}]':<{width}} |"
        if not self.color:
            return label + " "
        position = self.names.index(name) if name in self.names else 0
        return f"{COLORS[position % len(COLORS)]}{label}{RESET} "

    def _put(self, line: bytes) -> None:
        while line and not self.closed:
            if not self._wait_until_writable():
                self.dropped += 1
                return
            try:
                line = line[os.write(self.descriptor, line[:PIECE]) :]
            except OSError as err:
                from buildpack.support.streams import has_no_reader  # rare

                if not has_no_reader(self.descriptor, err):
                    raise
                self.closed = True

    def _wait_until_writable(self) -> bool:
        poller = select.poll()
        poller.register(self.descriptor, select.POLLOUT)
        while not poller.poll(self._patience):
            if self.interrupted():
                self._patience = 0
                return False
        self._patience = WAIT_MS
        return True
