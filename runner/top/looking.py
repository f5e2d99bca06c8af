"""A thread that looks, so that a supervisor which takes its time never holds up a key."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from runner.top.look import Look


class Looking:
    """Takes a look every ``interval`` seconds. Readable (``fileno``) when there is another one."""

    def __init__(self, take: Callable[[], Look], *, interval: float) -> None:
        self._take, self._interval = take, interval
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._looks: list[Look] = []
        self._error: BaseException | None = None
        # A daemon: whoever quits does not wait for an answer.
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with self._lock:
            os.close(self._reader)
            os.close(self._writer)
            self._writer = -1

    def fileno(self) -> int:
        return self._reader

    def news(self) -> list[Look]:
        """The looks that were taken since this was last asked. Raises what taking one raised."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 512)
        with self._lock:
            found, self._looks = self._looks, []
        if self._error is not None:
            raise self._error
        return found

    def _look_on(self) -> None:
        while not self._over.is_set():
            try:
                look = self._take()
            except Exception as err:  # raised where it can be told: in ``news``
                self._error = err
                self._tell()
                return
            with self._lock:
                self._looks.append(look)
            self._tell()
            self._over.wait(self._interval)

    def _tell(self) -> None:
        with self._lock:
            if self._writer >= 0:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._writer, b"\0")
