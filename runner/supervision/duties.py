"""What a supervisor does beside keeping containers: each duty at its own times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Duty(Protocol):
    """Something to be done again and again, in the supervisor's one thread: never waits."""

    def due(self) -> float | None:
        """When there is something to do next, by ``time.monotonic``; None: not for now."""

    def attend(self) -> None:
        """Do what is due; called at ``due`` or soon after."""

    def look(self) -> None:
        """state.db may have changed, or ten seconds have passed."""

    def close(self) -> None:
        """The supervisor ends in good order."""


class Duties:
    """All duties of one supervisor, as one."""

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._duties = tuple(duties)

    def due(self) -> float | None:
        dues = [due for each in self._duties if (due := each.due()) is not None]
        return min(dues, default=None)

    def attend(self, now: float) -> None:
        for each in self._duties:
            if (due := each.due()) is not None and due <= now:
                each.attend()

    def look(self) -> None:
        for each in self._duties:
            each.look()

    def close(self) -> None:
        for each in self._duties:
            each.close()
