"""An engine, a log and a descriptor store that start and write nothing."""

from __future__ import annotations

import contextlib
import os
import selectors
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from buildpack.support.errors import SlugkitError
from runner.engines.base import Address, Limits, Streams
from runner.engines.embedded.identity import ProcessId
from runner.engines.embedded.lasting.container import LastingContainer
from runner.engines.embedded.lasting.token import Token
from runner.formation import ContainerSpec
from runner.selecting import attend_ready
from runner.sizes import find_size
from runner.state.rollouts import Failure
from runner.supervision.reconcile import Place
from runner.supervision.records import Records
from runner.supervision.supply import Material
from runner.supervision.upkeep import Upkeep
from tests.unit.runner.samples import a_spec


class FakeContainer:
    """Ends when a test, or a signal, says so."""

    def __init__(self, spec: ContainerSpec, token: Token) -> None:
        self.id, self.spec, self.token = f"run-{token.key}", spec, token
        self.address = None if spec.port is None else Address(host="127.0.0.1", port=4000)
        self.inside = None if spec.port is None else Address(host=token.inside, port=spec.port)
        self.launched, self.cgroup = SimpleNamespace(init_pid=1), None
        self.calls: list[str] = []
        self.listens = (Address(host="0.0.0.0", port=spec.port or 0),)
        self.ignores_sigterm = False
        self.open_connections = 0
        self.code: int | None = None
        self.exit_fd, self._writer = os.pipe()

    def begin(self) -> None:
        self.calls.append("begin")

    def listeners(self) -> tuple[Address, ...]:
        return self.listens

    def takes_ipv4(self, listener: Address) -> bool:
        return listener not in self.listens

    def connections(self) -> int:
        return self.open_connections

    def poll(self) -> int | None:
        return self.code

    def was_oom_killed(self) -> bool:
        return False

    def terminate(self) -> None:
        self.calls.append("terminate")
        if not self.ignores_sigterm:
            self.end(143)

    def kill(self) -> None:
        self.calls.append("kill")
        self.end(137)

    def end(self, code: int) -> None:
        self.code = code
        os.write(self._writer, b"x")

    def remove(self) -> None:
        self.calls.append("remove")
        os.close(self.exit_fd)
        os.close(self._writer)

    def forget(self) -> None:
        self.calls.append("forget")


@dataclass(slots=True)
class FakeEngine:
    """Numbers its containers; ``fails`` is raised by the next start."""

    started: list[FakeContainer] = field(default_factory=list)
    published: list[int | None] = field(default_factory=list)
    known: Mapping[str, Token] = field(default_factory=dict)
    fails: SlugkitError | None = None
    fresh: dict[str, Any] = field(default_factory=dict)
    """set on each new container"""
    lent: int = 0
    """how often room was asked for"""

    @contextlib.contextmanager
    def spare_room(self) -> Iterator[None]:
        self.lent += 1
        yield

    def start_lasting(
        self,
        spec: ContainerSpec,
        *,
        streams: Streams,
        layers: tuple[Path, ...],
        limits: Limits,
        cpu_weight: int,
        publish: int | None,
    ) -> LastingContainer:
        if self.fails is not None:
            raise self.fails
        key = f"{spec.name}-{len(self.started) + 1}"
        self.published.append(publish)
        return self._made(spec, a_token(key))

    def adopt(self, spec: ContainerSpec, token: Token) -> LastingContainer:
        return self._made(spec, token)

    def clear_unknown(self, known: Mapping[str, Token]) -> None:
        self.known = known

    def _made(self, spec: ContainerSpec, token: Token) -> LastingContainer:
        container = FakeContainer(spec, token)
        for name, found in self.fresh.items():
            setattr(container, name, found)
        self.started.append(container)
        return cast("LastingContainer", container)


@dataclass(slots=True)
class FakeLog:
    """Keeps the lines of ours, and which containers are open."""

    lines: list[str] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)

    def system(self, name: str, text: str) -> None:
        self.lines.append(f"{name}: {text}")

    def open_container(self, key: str, name: str, pipe: int) -> None:
        self.opened.add(key)

    def attend(self, key: str) -> bool:
        return False

    def close_container(self, key: str) -> None:
        self.opened.discard(key)


@dataclass(slots=True)
class FakeFds:
    """A keeper without a process."""

    kept: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.kept)

    def get(self, name: str) -> int | None:
        return self.kept.get(name)

    def store(self, name: str, descriptor: int) -> None:
        self.kept[name] = descriptor

    def drop(self, name: str) -> None:
        if name in self.kept:
            os.close(self.kept.pop(name))


def a_token(key: str) -> Token:
    return Token(
        key=key,
        chain=ProcessId(pid=1, started=1),
        init=None,
        inside="10.0.2.4",
        forward=None,
        address=None,
        groups={},
    )


class Stage:
    """An upkeep on fakes, with a clock that a test turns."""

    def __init__(self, directory: Path, fds: FakeFds | None = None, now: float = 1000.0) -> None:
        self.now = now
        self.engine, self.log, self.fds = FakeEngine(), FakeLog(), fds or FakeFds()
        self.events: list[str] = []
        self.blamed: list[str] = []
        self.selector = selectors.DefaultSelector()
        self.upkeep = Upkeep(
            engine=self.engine,
            log=self.log,
            fds=self.fds,
            records=Records(directory),
            selector=self.selector,
            material=self._material,
            tell=lambda event: self.events.append(f"{event['event']} {event['name']}"),
            blame=self._blame,
            clock=lambda: self.now,
            wall=lambda: 1_795_000_000.0 + self.now,
        )

    def _blame(self, version: int, failure: Failure, key: str) -> None:
        self.blamed.append(f"v{version} {failure.name} {failure.text}")

    def _material(self, place: Place) -> Material:
        port = 5000 if place.process_type == "web" else None
        return Material(
            spec=a_spec(place.name, command="run it", port=port),
            layers=(),
            size=find_size(place.size),
        )

    def go(self, seconds: float = 0.0) -> None:
        """Let time pass, and everything happen that is due until then."""
        end = self.now + seconds
        for _ in range(1000):
            attend_ready(self.selector, 0)
            due = self.upkeep.due()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.upkeep.attend_dues()
        else:
            raise AssertionError("it never comes to rest")
        self.now = end

    def states(self) -> dict[str, str]:
        return {str(each["name"]): str(each["state"]) for each in self.upkeep.snapshot()}

    def close(self) -> None:
        for live in self.upkeep.lives.values():
            live.container.remove()
        for name in self.fds.names:
            self.fds.drop(name)
        self.selector.close()
