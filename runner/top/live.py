"""``slug-run top`` at a terminal: looks, keys, signals and the clock, one after the other."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from runner.signals import StopSignals
from runner.top.keys import Key, followed, parse_keys
from runner.top.look import Look
from runner.top.looking import Looking
from runner.top.picture import View, screenful
from runner.top.screen import Screen
from runner.top.spans import Span

ASKED, LOST = 0, 128 + signal.SIGHUP


class Live:
    """What is shown, and what is wanted of it."""

    def __init__(self, screen: Screen, looking: Looking, signals: StopSignals, view: View) -> None:
        self._screen, self._looking, self._signals = screen, looking, signals
        self._view = view
        self._before: Look | None = None
        self._now: Look | None = None

    def run(self, keyboard: int) -> int:
        """Until somebody quits; the exit code."""
        self.draw()
        poller = select.poll()
        for each in (self._signals, self._looking):
            poller.register(each.fileno(), select.POLLIN)
        poller.register(keyboard, select.POLLIN)
        while self._signals.first is None:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if self._signals.fileno() in ready:
                self._signals.drain()
            if keyboard in ready:
                typed = os.read(keyboard, 1024)
                if not typed:
                    return LOST
                if Key.QUIT in self._follow(typed):
                    return ASKED
            if self._looking.fileno() in ready:
                self._take(self._looking.news())
            self.draw()
        return self._signals.exit_code

    def draw(self) -> None:
        """Show what is known now, for the size of this moment."""
        rows, columns = self._screen.size()
        if self._now is None or self._before is None:
            self._screen.draw([(Span(text="Looking..."),)])
            return
        lines, self._view = screenful(self._before, self._now, self._view, rows, columns)
        self._screen.draw(lines)

    def _follow(self, typed: bytes) -> list[Key]:
        keys = parse_keys(typed.decode("utf-8", "replace"))
        for key in keys:
            self._view = followed(self._view, key)
        return keys

    def _take(self, looks: list[Look]) -> None:
        for look in looks:
            self._before, self._now = self._now or look, look


def run_live(
    take: Callable[[], Look],
    *,
    interval: float,
    color: bool,
    ascii_only: bool,
    keyboard: int,
    display: int,
) -> int:
    """Have the terminal until somebody quits; the exit code."""
    with StopSignals() as signals:
        signals.hold()
        with (
            Looking(take, interval=interval) as looking,
            Screen(keyboard, display, color=color) as screen,
        ):
            live = Live(screen, looking, signals, View(ascii_only=ascii_only))
            with suspended_with(screen, live.draw):
                try:
                    return live.run(keyboard)
                except OSError:
                    if os.isatty(display):
                        raise
                    return LOST


@contextmanager
def suspended_with(screen: Screen, draw: Callable[[], None]) -> Iterator[None]:
    """Ctrl-Z gives the terminal back for as long as we stand still."""

    def suspend(number: int, frame: FrameType | None) -> None:
        screen.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        screen.enter()
        draw()

    before = signal.signal(signal.SIGTSTP, suspend)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
