"""One call beside what else is done, where a build would otherwise wait for a program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


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

    def result(self) -> T:
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._answer
