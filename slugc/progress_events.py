"""A build as events, for programs: what ``slugc build --json`` prints and ``on_event`` is given.

docs/slugc.md lists them; a test compares that list and what builds emit.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TextIO

from buildpack.support.errors import SlugkitError
from buildpack.support.urls import without_passwords
from slugc.buildpacks.errors import PhaseFailedError, PhaseTimeoutError
from slugc.progress import BuildpackLines, packages_in
from slugc.timeline import BESIDE

Event = Mapping[str, object]
OnEvent = Callable[[Event], None]

OFTEN = 1.0
"""Seconds between two events that say how many bytes there are by now."""


class EventProgress:
    """Hands each event to ``on_event``; threads may share it."""

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.lines = BuildpackLines(keep_color=False)
        self._lock = threading.Lock()
        self._running: dict[str, object] = {}
        self._told: dict[str, float] = {}

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
        self.event("step", text=without_passwords(text))

    def info(self, text: str) -> None:
        self.event("info", text=without_passwords(text))

    def warning(self, text: str) -> None:
        self.event("warning", text=without_passwords(text))

    def error(self, error: SlugkitError) -> None:
        self.event("warning", text=without_passwords(error.text()))

    def line(self, text: str) -> None:
        cleaned = self.lines.cleaned(text)
        if cleaned is None:
            return
        self.event("line", **self._running, text=cleaned)
        if (count := packages_in(cleaned)) is not None:
            self.event("packages", **self._running, count=count)

    def has_shown_all(self) -> bool:
        """A person, who reads standard error, saw none of it."""
        return False

    def moved(self, what: str, count: int) -> None:
        now = time.monotonic()
        if now - self._told.get(what, now - OFTEN) < OFTEN:
            return
        self._told[what] = now
        self.event("bytes", what=what, count=count)

    def event(self, name: str, /, **facts: object) -> None:
        if name == "phase_started" and facts["phase"] != BESIDE:
            self._running = dict(facts)
        with self._lock:
            self.on_event({"event": name, "ts": timestamp(), **facts})


class JsonLines(EventProgress):
    """Each event as one line of JSON, at once. ``quiet``: the result alone."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        super().__init__(self._write)
        self.stream, self.quiet = stream, quiet

    def _write(self, event: Event) -> None:
        if not self.quiet or event["event"] == "result":
            write_event(self.stream, event)


def write_event(stream: TextIO, event: Event) -> None:
    """One event as a line of JSON in ASCII: bytes that are no text stand escaped."""
    stream.write(json.dumps(event) + "\n")
    stream.flush()


def error_event(error: SlugkitError, code: int, *, id: str) -> Event:  # noqa: A002  # its name
    """The last event of what came to nothing."""
    facts = {
        "code": code,
        "id": id,
        "message": error.brief,
        "details": error.details,
        "hint": error.resolution,
    }
    if isinstance(error, PhaseFailedError | PhaseTimeoutError):
        facts |= {"phase": error.phase, "buildpack": error.name}
    return {"event": "result", "ts": timestamp(), "ok": False, "error": facts}


def timestamp() -> str:
    """Now, in UTC, to the millisecond (RFC 3339)."""
    now = time.time()
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{seconds}.{int(now % 1 * 1000):03d}Z"
