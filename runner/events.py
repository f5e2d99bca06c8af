"""What happens in a running formation, as values, and a list of them that can be followed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator

from buildpack.support.values import value
from runner.engines.base import Address

KEPT = 8 << 20  # characters of events that wait for whoever asks for them
_EACH = 200  # what one weighs besides its text


@value
class Event:
    """Something that happened to ``name``: a container such as ``web.1``, mostly."""

    name: str
    at: float
    """seconds since 1970"""


@value
class Starting(Event):
    """A container was started, for the first time or again."""

    command: str


@value
class Up(Event):
    """It runs; a web container also answers on its port."""

    address: Address | None
    """where this machine reaches it; None for other process types"""


@value
class Crashed(Event):
    """It ended and nobody had asked it to. It will be started again."""

    exit_code: int | None
    """None: it could not even be started"""


@value
class Down(Event):
    """It ended, because the formation is being stopped."""

    exit_code: int | None


@value
class Line(Event):
    """A line of the log, as it was written."""

    text: str
    source: str
    """``app``: the container wrote it; ``slug-run``: it is about the container"""


@value
class Missed(Event):
    """Events that were dropped, the oldest first, because nobody had taken them."""

    count: int


class EventLog:
    """The events of one run. Each who follows it gets all that are kept, then the new ones."""

    def __init__(self, *, kept: int = KEPT, clock: Callable[[], float] = time.time) -> None:
        self.now = clock
        self._kept = kept
        self._events: deque[Event] = deque()
        self._dropped = self._size = 0
        self._is_over = False
        self._changed = threading.Condition()

    def add(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._size += _size(event)
            while self._size > self._kept:
                self._size -= _size(self._events.popleft())
                self._dropped += 1
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing will be added any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def follow(self) -> Iterator[Event]:
        """Every event in its order, until the run is over and all are given."""
        position = 0
        while (found := self._at(position)) is not None:
            position, event = found
            yield event

    def last_lines(self, count: int, names: Collection[str] = ()) -> tuple[Line, ...]:
        """The newest lines that these containers wrote, or all did."""
        with self._changed:
            lines = [each for each in self._events if isinstance(each, Line)]
        wanted = [line for line in lines if not names or line.name in names]
        return tuple(line for line in wanted if line.source == "app")[-count:]

    def _at(self, position: int) -> tuple[int, Event] | None:
        """The event at ``position``, and the position after it; waits for one to come."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_over or position < self._dropped + len(self._events)
            )
            if position < self._dropped:
                missed = Missed(name="events", at=self.now(), count=self._dropped - position)
                return self._dropped, missed
            if position < self._dropped + len(self._events):
                return position + 1, self._events[position - self._dropped]
            return None


def _size(event: Event) -> int:
    return _EACH + (len(event.text) if isinstance(event, Line) else 0)
