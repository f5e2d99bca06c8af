"""One call beside what else is done, where a build would otherwise wait for a program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_MOMENT = 1.0  # seconds


class Aside(Generic[T]):
    """Calls ``function`` at once, in a thread; ``result`` waits for what it returns or raises.

    Nobody has to wait: a build that fails or is stopped leaves the thread, which ends with us, and
    so does the sandbox of a phase started in it.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._answer: T
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer = self._function()
        except BaseException as err:  # raised again where the result is asked for
            self._failure = err

    def ends_within(self, seconds: float) -> bool:
        """Wait so long; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> T:
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._answer

    def stop(self) -> None:
        """End it where it is, and wait for that: a moment, as what the kernel holds never ends."""
        if self._thread.is_alive():
            import ctypes  # only whoever presses Ctrl-C in these milliseconds needs it

            number, stopped = ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(SystemExit)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, stopped)
            self._thread.join(_MOMENT)
