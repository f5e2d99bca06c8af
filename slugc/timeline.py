"""How long each step of a build took: measured while it runs, noted when it is over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from buildpack.support.values import value

P = ParamSpec("P")
T = TypeVar("T")

BESIDE = "report"
"""The phase that may run while another one does."""


def _untold(_event: str, /, **_facts: object) -> None:
    """The default for ``tell``: nobody listens."""


@value
class BuildStep:
    """One step: when it began, in seconds after the build did, and how many it took.

    ``name`` is "stage", "fetch" (of buildpacks), "pack", or a phase and the buildpack it is of:
    "compile slugkit/python".
    """

    name: str
    started: float
    duration: float


class Timeline:
    """The steps of one build, in the order in which they ended; threads may share it.

    ``tell`` is given an event when one begins and when it ends (docs/slugc.md, Events).
    """

    def __init__(self, tell: Callable[..., None] = _untold) -> None:
        self._tell = tell
        self._begun = time.monotonic()
        self._steps: list[BuildStep] = []

    @contextlib.contextmanager
    def step(self, name: str, *, since: float | None = None) -> Iterator[None]:
        """Measure what happens inside, also if it fails; or from ``since`` on, where it had begun
        before."""
        phase, _, buildpack = name.partition(" ")
        facts = {"phase": phase, "buildpack": buildpack or None}
        started, ok = self.elapsed if since is None else since, False
        self._tell("phase_started", **facts)
        try:
            yield
            ok = True
        finally:
            took = self.elapsed - started
            self._steps.append(BuildStep(name=name, started=started, duration=took))
            self._tell("phase_ended", **facts, ok=ok, duration=round(took, 3))

    def timed(
        self, step: str, function: Callable[P, T], *, since: float | None = None
    ) -> Callable[P, T]:
        """``function``, measured when it is called, as ``step`` does."""

        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.step(step, since=since):
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
