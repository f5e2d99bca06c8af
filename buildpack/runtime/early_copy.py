"""Copies a Python of the build machine while uv, which is asked first, is still on its way.

uv's managed builds come first, but whether there is one is known only when uv is here. Until then
nothing else could be done, so the copy is made in case there is none; if there is, it is removed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from buildpack.runtime.errors import RuntimeBrokenError
from buildpack.runtime.interpreter import Interpreter
from buildpack.support import files
from buildpack.support.deletion import remove_tree


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An interpreter whose copy did not work, and why."""

    label: str
    reason: str


class EarlyCopy(threading.Thread):
    """The first of ``offers`` whose copy works, in ``place``; ``build`` makes and proves it.

    ``on_first`` is told the first of them before it is copied.
    """

    def __init__(
        self,
        offers: Iterator[Interpreter],
        place: Path,
        build: Callable[[Interpreter, Path], None],
        on_first: Callable[[Interpreter], None],
    ) -> None:
        super().__init__(daemon=True)
        self._offers, self._place, self._build = offers, place, build
        self._on_first = on_first
        self.passed_over: list[PassedOver] = []
        self._failure: Exception | None = None

    def run(self) -> None:
        try:
            remove_tree(self._place)  # of a build that was killed
            for number, interpreter in enumerate(self._offers):
                if number == 0:
                    self._on_first(interpreter)
                if self._copied(interpreter):
                    return
        except Exception as err:
            self._failure = err

    def _copied(self, interpreter: Interpreter) -> bool:
        try:
            with files.publishing_dir(self._place) as temporary:
                self._build(interpreter, temporary)
        except RuntimeBrokenError as err:
            self.passed_over.append(PassedOver(interpreter.label, err.reason))
            return False
        return True

    def take(self, home: Path) -> bool:
        """Move the copy to ``home``; False when there is none. What went wrong is raised."""
        self.join()
        if self._failure:
            raise self._failure
        if not self._place.is_dir():
            return False
        self._place.rename(home)
        files.fsync_dir(home.parent)
        return True

    def discard(self) -> None:
        """Remove the copy, if it was not taken."""
        self.join()
        remove_tree(self._place)
