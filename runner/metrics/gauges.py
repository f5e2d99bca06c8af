"""A duty of a supervisor (runner/supervision/duties.py): looks at what its containers use.

Every five seconds, which costs a small file or three for each container while all is well. What
is said, is said every twenty seconds at most, as on Heroku.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from runner.engines.embedded.processes import below, by_parent
from runner.metrics.watch import Container, Watch

LOOK_EVERY = 5.0

Log = Callable[[str, str], None]


class Record(Protocol):
    """What of ``records.Record`` is used here."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> str: ...

    @property
    def began(self) -> float: ...


class Living(Protocol):
    """What of ``live.Live`` is used here."""

    told_kills: int

    @property
    def record(self) -> Record: ...

    @property
    def container(self) -> Container: ...


class Gauges:
    """Says R14, R15 and, where they were asked for, runtime metrics."""

    def __init__(
        self,
        lives: Callable[[], Collection[Living]],
        say: Log,
        *,
        has_metrics: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lives, self._say, self._has_metrics = lives, say, has_metrics
        self._clock = clock
        self._began = clock()
        self._next = self._began + LOOK_EVERY
        self._watches: dict[str, Watch] = {}

    def due(self) -> float | None:
        return self._next if self._lives() else None

    def attend(self) -> None:
        """Look at each container once."""
        now, lives = self._clock(), tuple(self._lives())
        self._next = now + LOOK_EVERY
        has_metrics = self._has_metrics()
        family: Mapping[int, Sequence[int]] | None = None
        for live in lives:
            init = live.container.launched.init_pid
            pids: set[int] = set()
            if live.container.cgroup is None and init is not None:
                family = by_parent() if family is None else family
                pids = {init} | below(init, family)
            watch = self._watch(live)
            for line in watch.look(now, pids, has_metrics=has_metrics):
                self._say(live.record.name, line)
            live.told_kills = watch.killed
        self._forget({live.record.key for live in lives})

    def look(self) -> None:
        """Nothing of it is in state.db but the settings, which are asked for each time."""

    def close(self) -> None:
        """Nothing is held."""

    def _watch(self, live: Living) -> Watch:
        record = live.record
        if record.key not in self._watches:
            self._watches[record.key] = Watch(
                live.container,
                name=record.name,
                size=record.size,
                is_known=record.began < self._began,
            )
        return self._watches[record.key]

    def _forget(self, others_than: set[str]) -> None:
        for key in self._watches.keys() - others_than:
            del self._watches[key]
