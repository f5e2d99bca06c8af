"""A container that runs, and what the upkeep needs of engine, log and descriptors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from runner.engines.base import Limits, Streams
from runner.engines.embedded.lasting.container import LastingContainer
from runner.engines.embedded.lasting.token import Token
from runner.formation import ContainerSpec
from runner.health import Check
from runner.slot import ContainerState
from runner.state.rollouts import Failure
from runner.supervision.crashes import CrashMemory
from runner.supervision.front_config import Server
from runner.supervision.probing import HealthProbe
from runner.supervision.reconcile import Place
from runner.supervision.records import Record

OUTPUT = "out:"
Event = dict[str, object]


class Engine(Protocol):
    """What of ``LastingEngine`` is used here."""

    def spare_room(self) -> AbstractContextManager[None]: ...

    def start_lasting(
        self,
        spec: ContainerSpec,
        *,
        streams: Streams,
        layers: tuple[Path, ...],
        limits: Limits,
        cpu_weight: int,
        publish: int | None,
    ) -> LastingContainer: ...

    def adopt(self, spec: ContainerSpec, token: Token) -> LastingContainer: ...

    def clear_unknown(self, known: Mapping[str, Token]) -> None: ...


class Front(Protocol):
    """What of ``LastingRouter`` is used here."""

    def serve(self, servers: Sequence[Server]) -> None: ...


class Log(Protocol):
    """What of ``AppLog`` is used here."""

    def system(self, name: str, text: str) -> None: ...

    def open_container(self, key: str, name: str, pipe: int) -> None: ...

    def attend(self, key: str) -> bool: ...

    def close_container(self, key: str) -> None: ...


class Fds(Protocol):
    """What of ``KeptFds`` is used here."""

    @property
    def names(self) -> frozenset[str]: ...

    def get(self, name: str) -> int | None: ...

    def store(self, name: str, descriptor: int) -> None: ...

    def drop(self, name: str) -> None: ...


class Kind(StrEnum):
    """What a check of a container that is up decides."""

    LIVENESS = "Liveness"
    READINESS = "Readiness"


@dataclass(slots=True, kw_only=True)
class Asked:
    """Checks of one kind, asked again and again."""

    kind: Kind
    checks: tuple[Check, ...]
    probe: HealthProbe
    due: float


@dataclass(slots=True)
class Live:
    """A container that runs, or whose end we have not dealt with yet."""

    record: Record
    container: LastingContainer
    reader: int = -1
    probe: HealthProbe | None = None
    asked: list[Asked] | None = None
    """what its own release asks of it while it is up; None: nobody knows yet"""
    due: float | None = None
    failure: Failure | None = None
    """why it was given up"""
    told_kills: int = 0
    """processes killed for want of memory that the log tells of already (runner/metrics)"""

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def serves(self) -> Server | None:
        """Where it takes requests now."""
        return self.server if self.is_up and self.record.is_ready else None

    @property
    def is_up(self) -> bool:
        is_up = self.record.state is ContainerState.UP and self.container.poll() is None
        return is_up and self.failure is None

    @property
    def server(self) -> Server | None:
        """Where it takes requests while it does; None: it is not web."""
        inside, outside = self.container.inside, self.container.address
        if inside is None or outside is None:
            return None
        return Server(inside=inside, outside=outside)


def snapshot(
    lives: Sequence[Live], places: Sequence[Place], crashes: CrashMemory
) -> Sequence[Event]:
    """Every container, and every place that has none."""
    present = {live.name for live in lives}
    found = [_shown(live) for live in lives]
    found += [_shown_place(place, crashes) for place in places if place.name not in present]
    for each in found:
        known = crashes.of(str(each["name"]))
        each["crashes"] = 0 if known is None else known.count
        each["restarts"] = 0 if known is None else known.total
    return found


def _shown_place(place: Place, crashes: CrashMemory) -> Event:
    known = crashes.of(place.name)
    return {
        "name": place.name,
        "type": place.process_type,
        "state": "down" if known is None else "crashed",
        "since": None if known is None else known.since,
        "release": place.version,
        "size": place.size,
        # As of a container, so that who reads this need not know which of the two it is.
        "command": None,
        "address": None,
        "pid": None,
        "ready": False,
        "soft_limits": None,
    }


def _shown(live: Live) -> Event:
    record = live.record
    return {
        "name": record.name,
        "type": record.process_type,
        "state": str(record.state),
        "since": record.since,
        "release": record.version,
        "size": record.size,
        "command": record.command,
        "address": None if live.container.address is None else str(live.container.address),
        "pid": live.container.launched.init_pid,
        "ready": live.is_up and record.is_ready,
        "soft_limits": live.container.cgroup is None,
    }
