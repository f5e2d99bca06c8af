"""Keeps an app's containers as they are wanted: starts, watches, stops, and starts again.

One thread and one selector, as in runner/supervisor.py, whose containers end with it; these do
not. Everything that must be known to go on is in ``Records`` before it has an effect.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from buildpack.support.errors import SlugkitError
from buildpack.support.values import changed
from runner.engines.base import Streams
from runner.engines.embedded.lasting.container import LastingContainer
from runner.formation import WEB
from runner.policy import Front
from runner.readiness import ReadinessProbe
from runner.slot import ContainerState
from runner.supervision.crashes import CrashMemory
from runner.supervision.live import OUTPUT, Engine, Event, Fds, Live, Log, snapshot
from runner.supervision.reconcile import Place, Start, Stop, Strategy, decide
from runner.supervision.records import Record, Records
from runner.supervision.supply import Material, record_spec
from runner.supervision.wanted import Settings, Wanted
from runner.supervisor import LAST_WAIT, LOOK_INTERVAL, PATIENT_AFTER, PATIENT_INTERVAL
from slugc.procfile import ProcessType


@dataclass(slots=True)
class Upkeep:
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
                live.due = record.stop_by
        known = {key: live.record.token for key, live in self.lives.items()}
        self.engine.clear_unknown(known)
        outputs = {live.record.output for live in self.lives.values()}
        for name in self.fds.names:
            if name.startswith(OUTPUT) and name not in outputs:
                self.fds.drop(name)
        self.serve()

    def keep_records(self, records: Records) -> None:
        """Write them there from now on: the engine's run is another one."""
        self.records = records
        self.__post_init__()

    # Deciding

    def want(self, wanted: Wanted | None) -> None:
        """Bring what runs nearer to ``wanted``; None is nothing at all."""
        self.places = () if wanted is None else wanted.places
        if wanted is not None:
            self.settings = wanted.settings
        self.crashes.forget(self.crashes.names - {place.name for place in self.places})
        self._is_changed = True

    def reconcile(self) -> None:
        """Take the next steps."""
        running = [live.record.running for live in self.lives.values()]
        for action in decide(self.places, running, self.strategies):
            match action:
                case Stop(key=key, is_replaced=is_replaced):
                    self._stop(self.lives[key], is_replaced=is_replaced)
                case Start(place=place) if self.crashes.due(place) <= self.clock():
                    self._start(place)
                    return  # one at a time, so that nothing waits for fifty starts: ``due`` is now

    def due(self) -> float | None:
        """When something is to be done next; None while all is as it should be."""
        if self._is_changed:
            self._is_changed = False
            self._next_step = self._find_next_step()
        dues = [live.due for live in self.lives.values() if live.due is not None]
        return min(dues if self._next_step is None else [*dues, self._next_step], default=None)

    def _find_next_step(self) -> float | None:
        """When ``decide`` has something to do; only asked when something has changed."""
        running = [live.record.running for live in self.lives.values()]
        now, dues = self.clock(), []
        for action in decide(self.places, running, self.strategies):
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
                self._lose_patience(live, now)
            case _:
                live.due = None

    def is_settled(self) -> bool:
        """Whether all is as wanted, or waits for a crashed container's next try."""
        moving = (ContainerState.STARTING, ContainerState.STOPPING)
        if any(live.record.state in moving for live in self.lives.values()):
            return False
        due = self.due()
        return due is None or due > self.clock()

    def is_as_wanted(self) -> bool:
        return all(self._is_up(place) for place in self.places)

    def _is_up(self, place: Place) -> bool:
        return any(
            live.record.running.fills(place) and live.record.state is ContainerState.UP
            for live in self.lives.values()
        )

    def restart(self, chosen: Callable[[str], bool]) -> tuple[str, ...]:
        """Replace the containers whose names are ``chosen``; what crashed is tried at once."""
        self.crashes.forget(name for name in self.crashes.names if chosen(name))
        found = [live for live in self.lives.values() if chosen(live.name)]
        for live in found:
            self._update(live, is_outdated=True)
        self._is_changed = True
        return tuple(dict.fromkeys(live.name for live in found))

    # Starting

    def _start(self, place: Place) -> None:
        if self.crashes.of_release(place) is not None:
            self.log.system(place.name, "State changed from crashed to starting")
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        output = f"{OUTPUT}{place.name}:{os.urandom(4).hex()}"
        self.fds.store(output, reader)
        now = self.clock()
        try:
            material = self.material(place)
            spec = material.spec
            self.log.system(place.name, f"Starting process with command `{spec.command}`")
            container = self.engine.start_lasting(
                spec,
                streams=Streams(stdin=None, stdout=writer, stderr=writer),
                layers=material.layers,
                limits=material.size.limits,
                cpu_weight=material.size.cpu_weight,
                publish=self._fixed_port(place),
            )
            record = self._written_down(place, container, output, now)
        except SlugkitError as err:
            self.fds.drop(output)
            self.log.system(place.name, f"Start failed: {err.brief}")
            self.tell({"event": "failed", "name": place.name, "text": err.text()})
            self._note_crash(place.name, place.version, began=now)
            return
        finally:
            os.close(writer)
        live = Live(record=record, container=container)
        self.lives[record.key] = live
        self._is_changed = True
        self._watch(live, reader)
        container.begin()
        self._begin_probe(live, now)

    def _written_down(
        self, place: Place, container: LastingContainer, output: str, began: float
    ) -> Record:
        """Raises RunFilesError; then there is no container either."""
        record = Record(
            process_type=place.process_type,
            ordinal=place.ordinal,
            version=place.version,
            size=place.size,
            command=container.spec.command,
            port=container.spec.port,
            state=ContainerState.STARTING,
            began=began,
            since=self.wall(),
            token=container.token,
            output=output,
        )
        try:
            self.records.begin(record)
        except SlugkitError:
            container.remove()
            raise
        return record

    def _fixed_port(self, place: Place) -> int | None:
        """Without a load balancer the first web container is the one that answers on the port."""
        is_first = place.process_type == WEB and place.ordinal == 1
        return self.settings.port if is_first and self.front is None else None

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

    def _begin_probe(self, live: Live, now: float) -> None:
        if live.record.port is None:
            self._mark_up(live)
        else:
            live.probe = ReadinessProbe(live.container, live.record.port)
            live.due = now

    def _look_at_boot(self, live: Live, now: float) -> None:
        assert live.probe is not None
        waited = now - live.record.began
        is_ready = live.probe.is_ready(now)
        cost = self.clock() - now
        if is_ready:
            self._mark_up(live)
        elif waited >= self.settings.boot_timeout:
            self._fail_boot(live)
        else:
            interval = LOOK_INTERVAL if waited < PATIENT_AFTER else PATIENT_INTERVAL
            live.due = now + max(interval, 4 * cost)

    def _mark_up(self, live: Live) -> None:
        live.due = None
        self._close_probe(live)
        self._update(live, state=ContainerState.UP, since=self.wall())
        self.log.system(live.name, "State changed from starting to up")
        seconds = round(self.clock() - live.record.began, 3)
        self.tell({"event": "up", "name": live.name, "seconds": seconds})
        self.serve()

    def _fail_boot(self, live: Live) -> None:
        assert live.probe is not None
        found = ", ".join(str(each) for each in live.probe.found_instead()) or "nothing"
        text = (
            "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within"
            f" {self.settings.boot_timeout:g} seconds of launch"
        )
        self.log.system(live.name, text)
        self.log.system(live.name, f"PORT is {live.record.port}; listening here: {found}")
        self.tell({"event": "failed", "name": live.name, "text": f"{text}; listens on {found}"})
        live.due = None
        live.container.kill()

    # Ending

    def _stop(self, live: Live, *, is_replaced: bool) -> None:
        before, follows = live.record.state, ContainerState.DOWN
        if is_replaced:
            follows = ContainerState.STARTING
        stop_by = self.clock() + self.settings.stop_timeout
        self._close_probe(live)
        self._update(
            live, state=ContainerState.STOPPING, since=self.wall(), stop_by=stop_by, follows=follows
        )
        self.serve()
        if before is not follows:
            self.log.system(live.name, f"State changed from {before} to {follows}")
        self.log.system(live.name, "Stopping all processes with SIGTERM")
        self.tell({"event": "stopping", "name": live.name})
        live.due = stop_by
        live.container.terminate()

    def _lose_patience(self, live: Live, now: float) -> None:
        if live.record.is_killed:
            self.log.system(
                live.name, "Process does not end after SIGKILL; it is left to the kernel"
            )
            self._put_away(live)
            return
        self.log.system(
            live.name,
            "Error R12 (Exit timeout) -> At least one process failed to exit within"
            f" {self.settings.stop_timeout:g} seconds of SIGTERM",
        )
        self._kill(live, now)

    def _kill(self, live: Live, now: float) -> None:
        self.log.system(live.name, "Stopping remaining processes with SIGKILL")
        live.due = now + LAST_WAIT
        self._update(live, is_killed=True, stop_by=live.due)
        live.container.kill()

    def kill_all(self) -> None:
        """Wait for nobody."""
        for live in self.lives.values():
            if live.record.state is ContainerState.STOPPING and not live.record.is_killed:
                self._kill(live, self.clock())

    def _attend_exit(self, live: Live) -> None:
        code = live.container.poll()
        if code is None:
            return
        is_news = code == 137 or not live.told_kills
        was_oom_killed = is_news and live.container.was_oom_killed()
        self._put_away(live)
        if was_oom_killed:
            self.log.system(
                live.name,
                "Error R15 (Memory quota vastly exceeded) -> killed at the limit; a larger size"
                f" raises it: slug-run scale {live.record.process_type}=N:SIZE",
            )
        self.log.system(live.name, f"Process exited with status {code}")
        if live.record.state is ContainerState.STOPPING:
            self.tell({"event": "stopped", "name": live.name, "code": code})
        else:
            self.log.system(live.name, f"State changed from {live.record.state} to crashed")
            self.tell({"event": "crashed", "name": live.name, "code": code})
            self._note_crash(live.name, live.record.version, began=live.record.began)
        self.serve()

    def _put_away(self, live: Live) -> None:
        """Take what is left of its output, then give everything back."""
        self._unregister(live.container.exit_fd)
        self._close_probe(live)
        self._unregister(live.reader)
        self.log.close_container(live.container.id)
        live.container.remove()
        self.fds.drop(live.record.output)
        self.records.remove(live.record)
        del self.lives[live.record.key]
        self._is_changed = True

    def _note_crash(self, name: str, version: int, *, began: float) -> None:
        delay = self.crashes.note(name, version, began=began)
        self._is_changed = True
        if delay:
            self.log.system(name, f"Restarting in {delay:g} second{'s' if delay != 1 else ''}")

    # Around

    def serve(self) -> None:
        """Tell the load balancer who answers now."""
        if self.front is not None:
            self.front.serve([where for live in self.lives.values() if (where := live.serves)])

    def snapshot(self) -> Sequence[Event]:
        """Every container, and every place that has none, for ``ps``."""
        return snapshot(tuple(self.lives.values()), self.places, self.crashes)

    def _update(self, live: Live, **fields: object) -> None:
        live.record = changed(live.record, **fields)
        self.records.write(live.record)
        self._is_changed = True

    def _close_probe(self, live: Live) -> None:
        if live.probe is not None:
            live.probe.close()
            live.probe = None

    def _unregister(self, descriptor: int) -> None:
        if descriptor in self.selector.get_map():
            self.selector.unregister(descriptor)


def named(words: Iterable[str]) -> Callable[[str], bool]:
    """Whether a container is meant by ``web`` or ``web.1``; by no words all are."""
    wanted = frozenset(words)
    return lambda name: not wanted or name in wanted or name.rpartition(".")[0] in wanted
