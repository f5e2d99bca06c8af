"""A run in a thread of its own, for the program that started it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from runner.signals import StopRequest

T = TypeVar("T")


class BackgroundRun(Generic[T]):
    """Carries out ``work``; what that raises is raised where somebody asks how it went.

    The thread is the one that starts containers, and their lives may be tied to it. It does not
    keep the program alive: containers of a program that ends are ended by the kernel.
    """

    def __init__(self, name: str, work: Callable[[StopRequest], T]) -> None:
        self._work = work
        self._stop = StopRequest()
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask_to_stop(self, *, at_once: bool = False) -> None:
        """Let it end, gently or at once; returns immediately."""
        with self._lock:
            if not self._is_over:
                self._stop.ask(at_once=at_once)

    def wait(self, timeout: float | None = None) -> T | None:
        """What came of it, or None if it goes on after ``timeout`` seconds."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            return None
        if self._error is not None:
            raise self._error
        return self._answer[0]

    def stop(self) -> T:
        """Let it end, and wait until it has. Interrupted meanwhile, it ends at once."""
        self.ask_to_stop()
        try:
            self._thread.join()
        except BaseException:  # Ctrl-C too: then it ends at once
            self.abandon()
            raise
        answer = self.wait()
        assert answer is not None
        return answer

    def abandon(self) -> None:
        """Let it end at once, and wait until it has; how it went is nobody's question any more."""
        self.ask_to_stop(at_once=True)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._answer.append(self._work(self._stop))
        except BaseException as err:  # raised again in the thread that waits for us
            self._error = err
        finally:
            with self._lock, contextlib.suppress(OSError):
                self._is_over = True
                self._stop.close()
