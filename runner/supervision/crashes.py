"""Places whose containers end by themselves, and when each is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from runner.policy import STEADY, back_off
from runner.supervision.reconcile import Place
from runner.supervision.records import Crashes, Records


@dataclass(slots=True)
class CrashMemory:
    """Counts crashes of each place; a new release or five minutes of running clear the count.

    Written down at every change, so that a supervisor's successor is as patient as it was.
    """

    records: Records
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _known: dict[str, Crashes] = field(default_factory=dict)

    def read(self) -> None:
        """Remember what our predecessor knew."""
        self._known = self.records.read_crashes()

    def of(self, name: str) -> Crashes | None:
        return self._known.get(name)

    def of_release(self, place: Place) -> Crashes | None:
        """What is held against another try of the very same."""
        found = self._known.get(place.name)
        return found if found is not None and found.version == place.version else None

    def due(self, place: Place) -> float:
        """When it may be started; the monotonic clock's beginning if at once."""
        found = self.of_release(place)
        return 0.0 if found is None else found.due

    def note(self, name: str, version: int, *, began: float) -> float:
        """One more crash of what began then; the seconds until it is tried again."""
        now, before = self.clock(), self._known.get(name)
        is_new = before is None or before.version != version or now - began >= STEADY
        count = 0 if before is None or is_new else before.count
        total = 0 if before is None or before.version != version else before.total
        delay = back_off(count)
        self._known[name] = Crashes(
            count=count + 1,
            due=now + delay,
            since=self.wall(),
            version=version,
            total=total + 1,
        )
        self.records.write_crashes(self._known)
        return delay

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._known.pop(name, None)
        self.records.write_crashes(self._known)

    def forget_others(self, versions: Mapping[str, int]) -> None:
        """Forget what is not one of these places, or of another release."""
        self.forget([x for x, each in self._known.items() if versions.get(x) != each.version])

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._known)
