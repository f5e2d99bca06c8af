"""Keeps an app's containers as they are wanted: starts, watches, stops, and starts again.

One thread and one selector, as in runner/supervisor.py, whose containers end with it; these do
not. Everything that must be known to go on is in ``Records`` before it has an effect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from runner.formation import WEB
from runner.slot import ContainerState
from runner.supervision.booting import Booting
from runner.supervision.leaving import Leaving
from runner.supervision.live import OUTPUT, Live
from runner.supervision.reconcile import Action, Place, Start, Stop, are_up, decide
from runner.supervision.supply import record_spec
from runner.supervision.wanted import Wanted

# Seconds that a container without a port has to run in a rollout, to count as having come up.
STEADY_AFTER = 3.0


@dataclass(slots=True)
class Upkeep(Booting, Leaving):
    """The containers of one app."""

    is_rolling_out: bool = False

    # Taking over

    def adopt(self) -> None:
        """Go on with the containers of who was here before us."""
        self.crashes.read()
        now = self.clock()
        for record in self.records.read():
            spec = record_spec(record.name, record.command, record.port)
            live = Live(record=record, container=self.engine.adopt(spec, record.token))
            self.lives[record.key] = live
            self._watch(live, self.fds.get(record.output))
            if record.state is ContainerState.STARTING:
                self._begin_probe(live, now)
            elif record.state is ContainerState.STOPPING:
                live.due = record.stop_by if record.drain_by is None else now
        known = {key: live.record.token for key, live in self.lives.items()}
        self.engine.clear_unknown(known)
        outputs = {live.record.output for live in self.lives.values()}
        for name in self.fds.names:
            if name.startswith(OUTPUT) and name not in outputs:
                self.fds.drop(name)
        self.serve()

    # Deciding

    def want(self, wanted: Wanted | None) -> None:
        """Bring what runs nearer to ``wanted``; None is nothing at all."""
        self.places = () if wanted is None else wanted.places
        self.is_rolling_out = wanted is not None and wanted.rollout is not None
        if wanted is not None:
            self.settings = wanted.settings
        self.crashes.forget_others({place.name: place.version for place in self.places})
        for live in self.lives.values():
            if live.record.state is ContainerState.UP and live.asked is None:
                self._begin_asking(live)
        self._is_changed = True

    def want_no_more(self, names: Collection[str]) -> None:
        """Of what is wanted, all but those; until that is read anew."""
        self.places = tuple(place for place in self.places if place.name not in names)
        self._is_changed = True

    def keep_as_it_is(self) -> None:
        """While nobody can tell what is wanted: nothing is stopped, and what ends comes back."""
        running = [each for each in self.running if each.is_staying]
        self.places = tuple(
            Place(
                process_type=each.process_type,
                ordinal=each.ordinal,
                version=each.version,
                size=each.size,
            )
            for each in running
        )
        self._is_changed = True

    def reconcile(self) -> None:
        """Take the next steps."""
        for action in self._decided():
            match action:
                case Stop(key=key, is_replaced=is_replaced):
                    self._stop(self.lives[key], is_replaced=is_replaced)
                case Start(place=place) if self.crashes.due(place) <= self.clock():
                    self._start(place)
                    return  # one at a time, so that nothing waits for fifty starts: ``due`` is now

    def _decided(self) -> Iterable[Action]:
        # What has no port proves little by running: web has to come up first.
        first = WEB if self.is_rolling_out else None
        return decide(self.places, self.running, self.strategies, first=first)

    def due(self) -> float | None:
        """When something is to be done next; None while all is as it should be."""
        if self._is_changed:
            self._is_changed = False
            self._next_step = self._find_next_step()
        dues = [live.due for live in self.lives.values() if live.due is not None]
        return min(dues if self._next_step is None else [*dues, self._next_step], default=None)

    def _find_next_step(self) -> float | None:
        """When ``decide`` has something to do; only asked when something has changed."""
        now, dues = self.clock(), []
        for action in self._decided():
            may_be = self.crashes.due(action.place) if isinstance(action, Start) else now
            dues.append(max(now, may_be))
        return min(dues, default=None)

    def attend_dues(self) -> None:
        """Do what is due."""
        now = self.clock()
        for live in tuple(self.lives.values()):
            if live.due is not None and live.due <= now:
                self._attend_due(live, now)
        if self._next_step is not None and self._next_step <= now:
            self._is_changed = True
            self.reconcile()

    def _attend_due(self, live: Live, now: float) -> None:
        match live.record.state:
            case ContainerState.STARTING:
                self._look_at_boot(live, now)
            case ContainerState.STOPPING:
                self._attend_stopping(live, now)
            case _:
                self._look_at_life(live, now)

    def is_settled(self) -> bool:
        """Whether all is as wanted, or waits for a crashed container's next try."""
        moving = (ContainerState.STARTING, ContainerState.STOPPING)
        if any(live.record.state in moving for live in self.lives.values()):
            return False
        due = self.due()
        return due is None or due > self.clock()

    def is_as_wanted(self) -> bool:
        return are_up(self.places, self.running)

    def steady_at(self) -> float | None:
        """Since when, or from when on, all that is wanted has come up; None while it has not."""
        if not self.is_as_wanted():
            return None
        # Of nothing: long ago, for who compares it with a time taken before.
        return max((self._steady_at(live) for live in self._filling()), default=0.0)

    def _filling(self) -> Iterator[Live]:
        wanted = {place.name: place for place in self.places}
        for live in self.lives.values():
            if live.name in wanted and live.record.running.fills(wanted[live.name]):
                yield live

    def _steady_at(self, live: Live) -> float:
        has_proof = live.record.port is not None or self.app_checks(live.record.process_type)
        return live.record.began if has_proof else live.record.began + STEADY_AFTER

    def restart(self, chosen: Callable[[str], bool]) -> tuple[str, ...]:
        """Replace the containers whose names are ``chosen``; what crashed is tried at once."""
        self.crashes.forget(name for name in self.crashes.names if chosen(name))
        found = [live for live in self.lives.values() if chosen(live.name)]
        for live in found:
            self._update(live, is_outdated=True)
        self._is_changed = True
        return tuple(dict.fromkeys(live.name for live in found))


def named(words: Iterable[str]) -> Callable[[str], bool]:
    """Whether a container is meant by ``web`` or ``web.1``; by no words all are."""
    wanted = frozenset(words)
    return lambda name: not wanted or name in wanted or name.rpartition(".")[0] in wanted
