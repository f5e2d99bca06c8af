"""How many requests each container has had, and how long they took: counts that only grow.

Two looks at them give the rate and the times of what came in between, for whoever looks, however
often; nothing is kept for each request. Times are counted in steps of nine per cent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

STEPS = 8  # for each doubling
SMALLEST = 0.1  # milliseconds


class Traffic:
    """The counts of one app, by container."""

    def __init__(self) -> None:
        self._times: dict[str, Counter[int]] = {}
        self._errors: Counter[str] = Counter()

    def note(self, name: str, milliseconds: float, *, is_error: bool) -> None:
        """A request that ``name`` was asked; empty for one that nobody was."""
        self._times.setdefault(name, Counter())[step_of(milliseconds)] += 1
        self._errors[name] += is_error

    def rows(self) -> Mapping[str, Mapping[str, object]]:
        """For each container: how many requests, how many of them failed, and their times."""
        return {
            name: {
                "count": sum(times.values()),
                "errors": self._errors[name],
                "times": {str(step): count for step, count in sorted(times.items())},
            }
            for name, times in self._times.items()
        }


def step_of(milliseconds: float) -> int:
    """In which step a time is counted."""
    return math.floor(STEPS * math.log2(max(milliseconds, SMALLEST) / SMALLEST))


def milliseconds_of(step: int) -> float:
    """The middle of a step."""
    return float(SMALLEST * 2.0 ** ((step + 0.5) / STEPS))


def percentile(times: Mapping[int, int], share: float) -> float | None:
    """The milliseconds within which ``share`` of the requests was answered; None without any."""
    total = sum(times.values())
    if total <= 0:
        return None
    seen = 0
    for step in sorted(times):
        seen += times[step]
        if seen >= share * total:
            break
    return milliseconds_of(step)
