"""A container's load average, as Heroku works it out: from samples of what runs."""

from __future__ import annotations

import math

MINUTES = (1, 5, 15)


class Load:
    """How many threads of a container ran or wanted to, over 1, 5 and 15 minutes."""

    def __init__(self) -> None:
        self.averages = [0.0 for _ in MINUTES]

    def add(self, running: int, *, seconds: float) -> None:
        """One more sample, that long after the last."""
        for index, minutes in enumerate(MINUTES):
            fade = math.exp(-seconds / 60 / minutes)
            self.averages[index] = self.averages[index] * fade + running * (1 - fade)
