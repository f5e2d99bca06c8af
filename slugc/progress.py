"""What a person sees while a slug is built, on standard error; the result alone goes to stdout."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO

from buildpack.support.errors import SlugkitError
from buildpack.support.output import Output, wants_color
from slugc.plain_text import colored_text, plain_text

MAX_SHOWN = 16 * 1024 * 1024  # characters of one build's output; a log, not a disk filler


class Progress(Protocol):
    """Where a build talks to the person who waits."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def step(self, text: str) -> None:
        """Something begins."""

    def info(self, text: str) -> None:
        """Detail of the step."""

    def warning(self, text: str) -> None:
        """Legal, but probably not meant."""

    def error(self, error: SlugkitError) -> None:
        """Why nothing came of it."""

    def line(self, text: str) -> None:
        """One line a buildpack wrote, as it wrote it."""

    def has_shown_all(self) -> bool:
        """Whether every line a buildpack wrote is on the screen."""

    def moved(self, what: str, count: int) -> None:
        """So many bytes are ``what`` ("fetched", "packed") by now; any thread may say so, often."""

    def event(self, name: str, /, **facts: object) -> None:
        """Something for programs (docs/slugc.md, Events), which people are told in words."""


class BuildpackLines:
    """A buildpack's lines as they may be shown: bounded, and harmless to a terminal."""

    def __init__(self, keep_color: bool) -> None:
        self.keep_color = keep_color
        self.shown = 0

    def cleaned(self, text: str) -> str | None:
        """``text`` to be shown; None once too much was."""
        if self.shown > MAX_SHOWN:
            return None
        # A progress bar rewrites its line: its last state is the line.
        last = text.rstrip("\r").rpartition("\r")[2]
        last = colored_text(last) if self.keep_color else plain_text(last)
        self.shown += len(last) + 1
        if self.shown > MAX_SHOWN:
            return f"[the rest is not shown: more than {MAX_SHOWN // 1024**2} MiB of output]"
        return last


class PlainProgress:
    """Plain lines, for pipes and logs."""

    def __init__(self, stream: TextIO, color: bool = False) -> None:
        self.stream, self.color = stream, color
        self.lines = BuildpackLines(keep_color=self.color)
        self.output = Output(out=self.stream, err=self.stream, color=self.color)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is held open."""

    def step(self, text: str) -> None:
        self.output.step(text)

    def info(self, text: str) -> None:
        self.output.info(text)

    def warning(self, text: str) -> None:
        self.output.warning(text)

    def error(self, error: SlugkitError) -> None:
        self.output.error(error)

    def line(self, text: str) -> None:
        cleaned = self.lines.cleaned(text)
        if cleaned is not None:
            self.stream.write(f"{cleaned}\n")
            self.stream.flush()

    def has_shown_all(self) -> bool:
        return self.lines.shown <= MAX_SHOWN

    def moved(self, what: str, count: int) -> None:
        """Not shown."""

    def event(self, name: str, /, **facts: object) -> None:
        """Not shown."""


class QuietProgress(PlainProgress):
    """Warnings and errors only."""

    def step(self, text: str) -> None:
        """Not shown."""

    def info(self, text: str) -> None:
        """Not shown."""

    def line(self, text: str) -> None:
        """Not shown; a failed phase's last lines are in its error."""

    def has_shown_all(self) -> bool:
        return False


def unwatched(_size: int) -> None:
    """The default for ``watch``: nobody looks."""


_COUNT = re.compile(r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d+) packages?\b")


def packages_in(line: str) -> int | None:
    """How many packages a buildpack's line speaks of, if it counts any."""
    found = _COUNT.search(line)
    return int(found[1].replace(",", "")) if found else None


def shown_bytes(size: int) -> str:
    """A size as people read it."""
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1000:.1f} kB"


def make_progress(env: Mapping[str, str], *, quiet: bool, color: bool | None) -> Progress:
    """What suits standard error: a live display on a terminal, plain lines in a pipe."""
    stream = sys.stderr
    colored = wants_color(stream, env) if color is None else color
    if quiet:
        return QuietProgress(stream, colored)
    if stream.isatty() and env.get("TERM", "dumb") != "dumb" and not env.get("CI"):
        from slugc.progress_live import LiveProgress

        return LiveProgress(stream, color=colored, hints=env.get("SLUGC_HINTS") != "0")
    return PlainProgress(stream, colored)
