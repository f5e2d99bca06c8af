"""How long each step of a build took: measured while it runs, noted when it is over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from buildpack.support.values import value

P = ParamSpec("P")
T = TypeVar("T")


@value
class BuildStep:
    """One step: when it began, in seconds after the build did, and how many it took.

    ``name`` is "stage", "pack", or a phase and the buildpack it is of: "compile slugkit/python".
    """

    name: str
    started: float
    duration: float


class Timeline:
    """The steps of one build, in the order in which they ended; threads may share it."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._steps: list[BuildStep] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what happens inside, also if it fails."""
        started = self.elapsed
        try:
            yield
        finally:
            took = self.elapsed - started
            self._steps.append(BuildStep(name=name, started=started, duration=took))

    def timed(self, step: str, function: Callable[P, T]) -> Callable[P, T]:
        """``function``, measured when it is called."""

        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.step(step):
                return function(*args, **kwargs)

        return measured

    @property
    def elapsed(self) -> float:
        """Seconds since the build began; no clock that is set changes them."""
        return time.monotonic() - self._begun

    @property
    def steps(self) -> tuple[BuildStep, ...]:
        """All there are by now, by when they began."""
        return tuple(sorted(self._steps, key=lambda step: step.started))
