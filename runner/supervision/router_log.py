"""What the load balancer says, on its way to the app's log: as lines of ours, ten times a second.

Taken more often it would cost the supervisor more than the requests cost the load balancer; and
what is not taken yet waits in a pipe that is there for whoever comes after us. When that is full
all requests wait, so after one that held much there is no pause.
"""

from __future__ import annotations

import array
import fcntl
import selectors
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.caddy_config import dial
from runner.formation import WEB
from runner.router_log.codes import Code
from runner.router_log.traffic import Traffic
from runner.router_log.translator import Translator
from runner.supervision.live import Log
from runner.supervision.upkeep import Upkeep

ROUTER = "router"
PAUSE = 0.1
MUCH = 32 * 1024  # bytes, half of a pipe that could not be made larger
MOST_KNOWN = 10_000  # addresses of containers, of which most are long gone


class UpkeepStanding:
    """What is known of the web containers."""

    def __init__(self, upkeep: Callable[[], Upkeep]) -> None:
        self._upkeep = upkeep
        self._names: dict[str, str] = {}

    def note(self) -> None:
        """Who answers where: a line may come when its container is gone."""
        for live in self._upkeep().lives.values():
            if live.server is None or live.record.process_type != WEB:
                continue
            for address in (live.server.inside, live.server.outside):
                self._names.pop(dial(address), None)
                self._names[dial(address)] = live.name
        while len(self._names) > MOST_KNOWN:
            del self._names[next(iter(self._names))]

    def name_of(self, upstream: str) -> str:
        if upstream not in self._names:
            self.note()
        return self._names.get(upstream, "")

    def why_nobody(self) -> Code:
        upkeep = self._upkeep()
        wanted = [place for place in upkeep.places if place.process_type == WEB]
        if not wanted:
            return Code.H14
        has_crashed = any(upkeep.crashes.of_release(place) is not None for place in wanted)
        return Code.H10 if has_crashed else Code.H20


class RouterLog:
    """Takes what comes from the load balancer. A ``Duty``: the pauses."""

    def __init__(
        self,
        upkeep: Callable[[], Upkeep],
        *,
        selector: selectors.BaseSelector,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.standing = UpkeepStanding(upkeep)
        self.traffic = Traffic()
        self._selector, self._clock = selector, clock
        self._pipes: dict[str, _Pipe] = {}

    def translator(self) -> Translator:
        """For ``AppLog``: one for each that writes."""
        return Translator(self.standing, self.traffic)

    def write_to(self, log: Log) -> None:
        self._log = log

    @property
    def keys(self) -> frozenset[str]:
        """Those of the log's spools that are in use."""
        return frozenset(self._pipes)

    def open_pipe(self, key: str, pipe: int) -> None:
        """Log from now on what comes there."""
        self._log.open_container(key, ROUTER, pipe)
        self._pipes[key] = _Pipe(descriptor=pipe)
        self._watch(key)

    def close_pipe(self, key: str) -> None:
        """Log what is left there; it may be closed then."""
        pipe = self._pipes.pop(key, None)
        if pipe is not None:
            self._unwatch(pipe)
            self._log.close_container(key)

    def due(self) -> float | None:
        dues = [pipe.due for pipe in self._pipes.values() if pipe.due is not None]
        return min(dues, default=None)

    def attend(self) -> None:
        now = self._clock()
        for key, pipe in self._pipes.items():
            if pipe.due is not None and pipe.due <= now:
                self._watch(key)

    def look(self) -> None:
        """Nothing here depends on what is wanted."""

    def close(self) -> None:
        """The load balancer has been ended before."""

    def rows(self) -> Mapping[str, Mapping[str, object]]:
        """How many requests each container has had, for who asks what containers use."""
        return self.traffic.rows()

    def _watch(self, key: str) -> None:
        pipe = self._pipes[key]
        pipe.due = None
        self._selector.register(
            pipe.descriptor, selectors.EVENT_READ, lambda: self._take(key, pipe)
        )

    def _take(self, key: str, pipe: _Pipe) -> None:
        self._unwatch(pipe)
        pause = 0.0 if bytes_in(pipe.descriptor) >= MUCH else PAUSE
        pipe.due = self._clock() + pause if self._log.attend(key) else None

    def _unwatch(self, pipe: _Pipe) -> None:
        if pipe.due is None and pipe.descriptor in self._selector.get_map():
            self._selector.unregister(pipe.descriptor)


def bytes_in(pipe: int) -> int:
    """How much waits there."""
    found = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, found)
    return found[0]


@dataclass(slots=True, kw_only=True)
class _Pipe:
    descriptor: int
    due: float | None = None
    """When it is looked at again; None: it is being looked at, or has ended"""
