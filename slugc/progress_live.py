"""The live display on a terminal: lines scroll by above one that says what is going on, for how
long, and how much there is by now."""

from __future__ import annotations

import io
import shlex
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TextIO

from slugc.plain_text import plain_text
from slugc.progress import PlainProgress, packages_in, shown_bytes
from slugc.status_line import StatusLine, fitted, text_width
from slugc.timeline import BESIDE

STEP = "-----> "  # a buildpack's own steps are shown like ours
SPINNERS = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
CYAN, RESET = "\x1b[1;36m", "\x1b[0m"
ENOUGH = 24  # columns in which a step's name is still of use
LONG = 0.1  # seconds; what took less is nobody's concern


class _Above(io.StringIO):
    """Whole lines for above the status line."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def flush(self) -> None:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        if text:
            self._show(text)


class LiveProgress(PlainProgress):
    """Progress for a person at a terminal; meaning never rests on its colours."""

    def __init__(
        self,
        stream: TextIO,
        *,
        color: bool = True,
        hints: bool = False,
        columns: Callable[[TextIO], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.hints = clock, hints
        self.status = StatusLine(stream, self.picture, columns=columns, paint=self._painted)
        super().__init__(_Above(self.status.above), color)
        self._spinner = SPINNERS[0 if "utf" in (stream.encoding or "").lower() else 1]
        self._begun = self._step_begun = clock()
        self._step = "Starting"
        self._counts: dict[str, str] = {}
        self._phases: dict[str, float] = {}

    def __enter__(self) -> Self:
        self.status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.status.stop()

    def step(self, text: str) -> None:
        self._step, self._step_begun = plain_text(text), self.clock()
        self._counts.clear()
        if not self.color:
            self.output.step(text)
            return
        self._show(f"{CYAN}{STEP.rstrip()}{RESET} {text}")

    def line(self, text: str) -> None:
        cleaned = self.lines.cleaned(text)
        if cleaned is None:
            return
        if plain_text(cleaned).startswith(STEP):
            self.step(plain_text(cleaned).removeprefix(STEP))
            return
        if (count := packages_in(cleaned)) is not None:
            self._counts["packages"] = f"{count:,} packages"
        self._show(cleaned + (RESET if "\x1b" in cleaned else ""))

    def moved(self, what: str, count: int) -> None:
        self._counts[what] = f"{shown_bytes(count)} {what}"

    def event(self, name: str, /, **facts: object) -> None:
        if name == "phase_ended" and facts["phase"] != BESIDE:
            took = facts["duration"]
            assert isinstance(took, float)
            phase = str(facts["phase"])
            self._phases[phase] = self._phases.get(phase, 0.0) + took
        elif name == "result":
            self._sum_up(facts)

    def picture(self, columns: int) -> str:
        """The status line. Where there is no room for all, first the time of the whole build is
        left out, then the end of the step's name, then what was counted."""
        now = self.clock()
        turn = self._spinner[int((now - self._begun) / 0.1) % len(self._spinner)]
        took, whole = shown_time(now - self._step_begun), shown_time(now - self._begun)
        counts = "".join(f", {count}" for count in tuple(self._counts.values()))
        width = text_width(self._step)
        for tail, enough in (
            (f"{counts}  {took} ({whole} in all)", width),
            (f"{counts}  {took}", min(width, ENOUGH)),
            (f"  {took}", 0),
        ):
            room = columns - 2 - text_width(tail)
            if room >= enough:
                break
        return f"{turn} {fitted(self._step, room)}{tail}"

    def _painted(self, row: str) -> str:
        return f"{CYAN}{row[:1]}{RESET}{row[1:]}" if self.color else row

    def _show(self, line: str) -> None:
        self.status.above(f"{line}\n")

    def _sum_up(self, facts: Mapping[str, object]) -> None:
        """Where the time went, for who waited for it, and how to go on."""
        phases = [f"{name} {took:.1f} s" for name, took in self._phases.items() if took >= LONG]
        if phases:
            self.info(f"Time: {', '.join(phases)}")
        types = facts["process_types"]
        if self.hints and isinstance(types, dict) and types:
            kind = "web" if "web" in types else next(iter(types))
            self.info(f"To run it: slug-run {kind} --slug {shlex.quote(str(facts['slug']))}")


def shown_time(seconds: float) -> str:
    """``3.2 s``, ``42 s``, ``3:05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{int(seconds)} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
