"""Signals as something a selector can wait for."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Protocol, Self

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TERMINAL = (signal.SIGWINCH, signal.SIGCONT)

# A wrapper that passes the terminal's Ctrl-C on makes two of one key press.
SAME_PRESS = 0.3


class Stopping(Protocol):
    """Whoever may want a run to end: signals of this process, or the program that started it."""

    first: int | None
    """the signal that was asked for first; None while nobody wants an end"""
    resized: bool
    """whether our terminal has another size, or was somebody else's while we were stopped"""

    @property
    def insists(self) -> bool:
        """Whether everything is to end at once."""

    @property
    def exit_code(self) -> int: ...

    def fileno(self) -> int:
        """Becomes readable when something was asked."""

    def drain(self) -> None: ...


class InterruptedEarlyError(KeyboardInterrupt):
    """A stop signal before there was anything to stop gently."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(number)


class StopSignals:
    """Ctrl-C, SIGTERM and SIGHUP noted, and a descriptor that wakes a selector.

    Until ``hold`` is called they raise InterruptedEarlyError, so unpacking can be interrupted.
    ``first`` decides the exit code; ``insists`` is true once Ctrl-C came again. A SIGHUP that was
    ignored when we started (nohup) stays ignored; SIGINT does not, because every shell script
    ignores it for what it starts with ``&``.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.first: int | None = None
        self.insists = False
        self.resized = False
        self._first_at = 0.0
        self._holds = False
        self._clock = clock
        self._undo = contextlib.ExitStack()
        self._reader = self._writer = self._wakeup_before = -1

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (*STOPPING, *TERMINAL):
            is_ignored = signal.getsignal(number) is signal.SIG_IGN
            if number == signal.SIGHUP and is_ignored:
                continue
            before = signal.signal(number, self._note)
            self._undo.callback(signal.signal, number, before or signal.SIG_DFL)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        return self._reader

    def hold(self) -> None:
        """From now on only note them: somebody looks."""
        self._holds = True

    def drain(self) -> None:
        """Empty the wake-up pipe; what came is in the attributes."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 512):
                pass

    @property
    def exit_code(self) -> int:
        """128 plus the number of the first signal, as shells report it."""
        return 128 + (self.first or 0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in TERMINAL:
            self.resized = True
        elif self.first is None:
            self.first, self._first_at = number, self._clock()
            if not self._holds:
                raise InterruptedEarlyError(number)
        elif number == signal.SIGINT and self._clock() - self._first_at >= SAME_PRESS:
            self.insists = True


class StopRequest:
    """The same without signals: a program asks from any of its threads, the run's own looks."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.insists = False
        self.resized = False
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def ask(self, *, at_once: bool = False) -> None:
        """End gently, or, the second way, at once. May be repeated."""
        self.insists = self.insists or at_once
        self.first = signal.SIGTERM
        with contextlib.suppress(BlockingIOError):  # full: it is awake already
            os.write(self._writer, b"\0")

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> None:
        """Empty the pipe; what was asked is in the attributes."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 512):
                pass

    @property
    def exit_code(self) -> int:
        """143, as if SIGTERM had been sent to slug-run."""
        return 128 + signal.SIGTERM

    def close(self) -> None:
        """Give the pipe back, once nobody asks and nobody looks any more."""
        os.close(self._reader)
        os.close(self._writer)
