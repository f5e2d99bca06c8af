"""What all of the upkeep stands on: the containers, what is written down of them, who is told."""

from __future__ import annotations

import selectors
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from buildpack.support.values import changed
from runner import container_lines
from runner.health import Check, UpChecks
from runner.state.rollouts import Failure
from runner.supervision.command_question import AskInside, Unasked
from runner.supervision.crashes import CrashMemory
from runner.supervision.live import Engine, Event, Fds, Front, Live, Log, snapshot
from runner.supervision.reconcile import Place, Running, Strategy
from runner.supervision.records import Records
from runner.supervision.supply import Material
from runner.supervision.wanted import Settings
from slugc.procfile import ProcessType


@dataclass(slots=True)
class Keeping(ABC):
    """The containers of one app."""

    engine: Engine
    log: Log
    fds: Fds
    records: Records
    selector: selectors.BaseSelector
    material: Callable[[Place], Material]
    front: Front | None = None
    strategies: Mapping[ProcessType, Strategy] = field(default_factory=dict)
    tell: Callable[[Event], None] = field(default=lambda _: None)
    blame: Callable[[int, Failure, str], None] = field(default=lambda *_: None)
    """hears of each container that failed: the release's version, why, and its key"""
    app_checks: Callable[[ProcessType], tuple[Check, ...]] = field(default=lambda _: ())
    """what the app itself says of when its containers are healthy"""
    up_checks: Callable[[ProcessType, int], UpChecks | None] = field(default=lambda *_: UpChecks())
    """and what those of a release are asked from then on; None: that is not known now"""
    ask_inside: AskInside = field(default=lambda *_: Unasked("nobody can"))
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    places: tuple[Place, ...] = ()
    settings: Settings = field(default_factory=Settings)
    lives: dict[str, Live] = field(default_factory=dict)
    crashes: CrashMemory = field(init=False)
    _is_changed: bool = True
    _next_step: float | None = None

    def __post_init__(self) -> None:
        self.crashes = CrashMemory(self.records, clock=self.clock, wall=self.wall)

    def keep_records(self, records: Records) -> None:
        """Write them there from now on: the engine's run is another one."""
        self.records = records
        self.__post_init__()

    def serve(self) -> None:
        """Tell the load balancer who answers now."""
        if self.front is not None:
            self.front.serve([where for live in self.lives.values() if (where := live.serves)])

    def snapshot(self) -> Sequence[Event]:
        """Every container, and every place that has none, for ``ps``."""
        return snapshot(tuple(self.lives.values()), self.places, self.crashes)

    @property
    def running(self) -> Sequence[Running]:
        return [live.record.running for live in self.lives.values()]

    def _watch(self, live: Live, reader: int | None) -> None:
        if reader is not None:
            live.reader = reader
            self.log.open_container(live.container.id, live.name, reader)
            self.selector.register(reader, selectors.EVENT_READ, lambda: self._copy(live))
        exit_fd = live.container.exit_fd
        self.selector.register(exit_fd, selectors.EVENT_READ, lambda: self._attend_exit(live))

    def _copy(self, live: Live) -> None:
        if not self.log.attend(live.container.id):
            self._unregister(live.reader)

    @abstractmethod
    def _attend_exit(self, live: Live) -> None:
        """Its process has ended."""

    def _put_away(self, live: Live) -> None:
        """Take what is left of its output, then give everything back."""
        self._unregister(live.container.exit_fd)
        self._ask_no_more(live)
        self._unregister(live.reader)
        self.log.close_container(live.container.id)
        live.container.remove()
        self.fds.drop(live.record.output)
        self.records.remove(live.record)
        live.container.forget()
        del self.lives[live.record.key]
        self._is_changed = True

    def _note_crash(self, name: str, version: int, *, began: float) -> None:
        delay = self.crashes.note(name, version, began=began)
        self._is_changed = True
        if delay:
            self.log.system(name, container_lines.restarting(delay))

    def _update(self, live: Live, **fields: object) -> None:
        live.record = changed(live.record, **fields)
        self.records.write(live.record)
        self._is_changed = True

    def _close_probe(self, live: Live) -> None:
        if live.probe is not None:
            live.probe.close()
            live.probe = None

    def _ask_no_more(self, live: Live) -> None:
        self._close_probe(live)
        for each in live.asked or ():
            each.probe.close()
        live.asked = []

    def _unregister(self, descriptor: int) -> None:
        if descriptor in self.selector.get_map():
            self.selector.unregister(descriptor)
