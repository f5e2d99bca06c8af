"""Reconciles what runs with what is wanted: start, readiness, restart with back-off, stop.

One thread and one selector. Containers are started from here and nowhere else, because an engine
may tie a container's life to the thread that started it (PR_SET_PDEATHSIG, prctl(2)).
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from buildpack.support.errors import SlugkitError
from runner import container_lines
from runner.ending import Ending
from runner.engines.base import Address, ContainerEngine, LooksAfter, RunningContainer
from runner.formation import WEB, ContainerSpec
from runner.policy import (
    Front,
    FrontWatch,
    Outcome,
    Policy,
    pause_between_looks,
)
from runner.selecting import attend_ready
from runner.signals import Stopping
from runner.slot import ContainerState, Slot

if TYPE_CHECKING:
    from runner.logs import Log
    from runner.rescaling import Wishes

LOOK_EVERY = 2.0  # seconds between looks at what containers cannot do without
BROKEN_PIPE = 128 + 13


class Supervisor(Ending):
    """Runs a formation until somebody, or the formation itself, ends it.

    ``on_up`` is called once, when all are up, with where each web container answers; ``on_change``
    after each change of a container's state. ``wishes`` say what is to run from then on.
    """

    def __init__(  # noqa: PLR0913  # who is driven, who is told, who may end it
        self,
        *,
        engine: ContainerEngine,
        log: Log,
        signals: Stopping,
        policy: Policy | None = None,
        front: Front | None = None,
        on_up: Callable[[Mapping[str, Address]], None] = lambda _: None,
        on_change: Callable[[Slot], None] = lambda _: None,
        wishes: Wishes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            log=log, policy=policy or Policy(), front=front, on_change=on_change, clock=clock
        )
        self.engine, self.signals = engine, signals
        self.on_up, self.wishes = on_up, wishes
        self._look_at = clock() + LOOK_EVERY if isinstance(engine, LooksAfter) else None
        self._looked_said: str | None = None
        self._wanted: Sequence[ContainerSpec] = ()

    def run(self, specs: Sequence[ContainerSpec]) -> Outcome:
        """Start ``specs`` and keep them running. Returns when all have ended."""
        self._wanted = specs
        self._fill()
        self._selector.register(self.signals, selectors.EVENT_READ, self.signals.drain)
        if self.wishes is not None:
            rescale = partial(self._rescale, self.wishes)
            self._selector.register(self.wishes, selectors.EVENT_READ, rescale)
        if self.front is not None:
            FrontWatch(self.front, self._selector, partial(self.log.system, "router")).watch()
        try:
            while not self._is_over():
                self._attend_one_round()
        finally:
            self._give_back()
        assert self._outcome is not None
        return self._outcome

    def _is_over(self) -> bool:
        return self._outcome is not None and all(
            slot.state is ContainerState.DOWN for slot in self._slots
        )

    def _attend_one_round(self) -> None:
        attend_ready(self._selector, self._patience())
        self._attend_signals()
        if self.wishes is not None and self._outcome is None:
            self._fill()
        now = self.clock()
        if self._look_at is not None and self._look_at <= now:
            self._look_after(now)
        for slot in self._slots:
            if slot.due is not None and slot.due <= now:
                self._attend_due(slot, now)
                break  # one at a time, so that a signal never waits for fifty starts

    def _patience(self) -> float | None:
        dues = [slot.due for slot in self._slots if slot.due is not None]
        dues += () if self._look_at is None else (self._look_at,)
        return max(0.0, min(dues) - self.clock()) if dues else None

    def _look_after(self, now: float) -> None:
        """Have the engine set right what was killed beside the containers, or end the run."""
        if not isinstance(self.engine, LooksAfter) or self._outcome is not None:
            self._look_at = None
            return
        self._look_at = now + LOOK_EVERY
        containers = [each.container for each in self._slots if each.container is not None]
        try:
            said = self.engine.look_after(containers)
        except SlugkitError as err:
            reason = f"{err.brief}: {err.details}"
            self._begin_stop(Outcome(exit_code=err.exit_code, reason=reason))
            return
        if said is not None and said != self._looked_said:
            self.log.system("engine", said)
        self._looked_said = said

    def _attend_signals(self) -> None:
        if self.signals.first is not None:
            self._begin_stop(Outcome(exit_code=self.signals.exit_code))
            if self.signals.insists:
                self._kill_all()
        elif self.log.closed:
            self._begin_stop(Outcome(exit_code=BROKEN_PIPE))

    def _attend_due(self, slot: Slot, now: float) -> None:
        match slot.state:
            case ContainerState.DOWN | ContainerState.CRASHED:
                self._start(slot, now)
            case ContainerState.STARTING:
                self._look_at_boot(slot, now)
            case ContainerState.STOPPING:
                self._lose_patience(slot, now)
            case ContainerState.UP:
                slot.due = None

    def _rescale(self, wishes: Wishes) -> None:
        """Stop what is no longer wanted; what is not there is started by and by."""
        self._wanted = wishes.take()
        names = {spec.name for spec in self._wanted}
        for slot in self._slots:
            if slot.name not in names and self._outcome is None:
                self._stop(slot)

    def _fill(self) -> None:
        """A place for each that is wanted; after one of its name that is being stopped."""
        self._slots = tuple(slot for slot in self._slots if not slot.has_ended)
        there, now = {slot.name for slot in self._slots}, self.clock()
        self._slots += tuple(Slot(spec, due=now) for spec in self._wanted if spec.name not in there)

    # Starting

    def _start(self, slot: Slot, now: float) -> None:
        self.log.system(slot.name, container_lines.starting(slot.spec.command))
        publish = self.policy.publish if slot.spec.process_type == WEB else None
        try:
            container = slot.start(self.engine, now=now, publish=publish)
        except SlugkitError as err:
            self._look_after(now)  # perhaps no start can succeed any more
            if self._outcome is not None:
                return
            if not self._was_up:
                raise
            self.log.system(slot.name, f"Start failed: {err.brief}")
            self._schedule_restart(slot, now)
            return
        self._set(slot, ContainerState.STARTING)
        self._watch(slot, container)
        if slot.spec.port is None:
            self._mark_up(slot)
        else:
            from runner.readiness import ReadinessProbe  # not before the container has started

            slot.probe = ReadinessProbe(container, slot.spec.port)
            slot.due = now

    def _watch(self, slot: Slot, container: RunningContainer) -> None:
        self._selector.register(slot.reader, selectors.EVENT_READ, lambda: self._copy(slot))
        self._selector.register(
            container.exit_fd, selectors.EVENT_READ, lambda: self._attend_exit(slot, container)
        )

    def _copy(self, slot: Slot) -> None:
        lines = slot.read_output()
        if lines is None:
            self._selector.unregister(slot.reader)
            return
        for line in lines:
            self.log.app(slot.name, line)

    def _look_at_boot(self, slot: Slot, now: float) -> None:
        assert slot.probe is not None
        waited = now - slot.started_at
        is_ready = slot.probe.is_ready(now)
        cost = self.clock() - now
        if is_ready:
            self._mark_up(slot)
        elif waited >= self.policy.boot_timeout:
            self._fail_boot(slot)
        else:
            booting = sum(each.state is ContainerState.STARTING for each in self._slots)
            slot.due = now + pause_between_looks(waited, cost=cost, booting=booting)

    def _mark_up(self, slot: Slot) -> None:
        self._change(slot, ContainerState.UP)
        slot.due = None
        if slot.probe is not None:
            slot.probe.close()
            slot.probe = None
            self._serve()
        if not self._was_up and all(each.state is ContainerState.UP for each in self._slots):
            self._was_up = True
            self.on_up({each.name: where for each in self._slots if (where := each.serves)})

    def _fail_boot(self, slot: Slot) -> None:
        assert slot.probe is not None
        assert slot.container is not None
        from runner.readiness import describe_listeners

        found = describe_listeners(slot.probe.found_instead(), slot.spec.port)
        self.log.system(slot.name, container_lines.boot_timeout(self.policy.boot_timeout))
        self.log.system(slot.name, container_lines.listening(slot.spec.port, found))
        slot.boot_failure, slot.due = found, None
        slot.container.kill()
