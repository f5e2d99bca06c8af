"""A container engine that starts nothing: it records, and its containers do as they are told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self

from runner.engines.base import Address, Streams
from runner.formation import ContainerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What one start of a container does."""

    output: bytes = b""
    exits: int | None = None
    """Ends at once with this code."""
    listens: tuple[Address, ...] | None = None
    """None: on its own PORT."""
    on_terminate: int | None = 143
    """None: SIGTERM is ignored."""
    on_kill: int | None = 137
    oom: bool = False
    fails: Exception | None = None
    """Raised by ``start`` itself."""


class FakeContainer:
    """Ends when told. ``listeners`` makes it ready without a network."""

    def __init__(
        self, spec: ContainerSpec, behaviour: Behaviour, stdout: int, publish: int | None
    ) -> None:
        self.id = f"fake-{spec.name}"
        self.spec = spec
        self.publish = publish
        self.calls: list[str] = []
        self._behaviour = behaviour
        self._code: int | None = None
        self.exit_fd, self._exit_writer = os.pipe()
        self.stdout = stdout

    @property
    def address(self) -> Address | None:
        if self.spec.port is None:
            return None
        return Address(host=f"10.0.2.{self.spec.ordinal}", port=self.spec.port)

    def listeners(self) -> tuple[Address, ...]:
        if self._behaviour.listens is not None:
            return self._behaviour.listens
        return (Address(host="0.0.0.0", port=self.spec.port or 0),)

    def takes_ipv4(self, listener: Address) -> bool:
        return listener not in (self._behaviour.listens or ())

    def poll(self) -> int | None:
        return self._code

    def terminate(self) -> None:
        self.calls.append("terminate")
        self._end_with(self._behaviour.on_terminate)

    def kill(self) -> None:
        self.calls.append("kill")
        self._end_with(self._behaviour.on_kill)

    def was_oom_killed(self) -> bool:
        return self._behaviour.oom

    def remove(self) -> None:
        self.calls.append("remove")
        self._code = 137 if self._code is None else self._code
        for descriptor in (self.exit_fd, self._exit_writer, self.stdout):
            os.close(descriptor)

    def end(self, code: int, output: bytes = b"") -> None:
        """What a test does to a running container."""
        os.write(self.stdout, output)
        self._end_with(code)

    def _end_with(self, code: int | None) -> None:
        if code is not None and self._code is None:
            self._code = code
            os.write(self._exit_writer, b"x")


class FakeEngine:
    """Implements ContainerEngine. ``behaviours``: each name's starts, the last one for ever."""

    name: ClassVar[str] = "fake"

    def __init__(self, behaviours: Mapping[str, Sequence[Behaviour]] | None = None) -> None:
        self.started: list[FakeContainer] = []
        self._behaviours = behaviours or {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to give back."""

    def start(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
    ) -> FakeContainer:
        script = self._behaviours.get(spec.name, (Behaviour(),))
        count = sum(each.spec.name == spec.name for each in self.started)
        behaviour = script[min(count, len(script) - 1)]
        if behaviour.fails is not None:
            raise behaviour.fails
        container = FakeContainer(spec, behaviour, os.dup(streams.stdout), publish)
        self.started.append(container)
        container.end(behaviour.exits, behaviour.output) if behaviour.exits is not None else (
            os.write(container.stdout, behaviour.output)
        )
        return container

    def running(self, name: str) -> FakeContainer:
        """The newest container of that name."""
        return [each for each in self.started if each.spec.name == name][-1]


class FakeFront:
    """Records what the supervisor tells the load balancer."""

    def __init__(self, log: Sequence[str] = ()) -> None:
        self.served: list[tuple[str, ...]] = []
        self.stopped = 0
        self._log = list(log)
        self._reader, self._writer = os.pipe()
        if log:
            os.write(self._writer, b"x")

    def serve(self, addresses: Sequence[Address]) -> None:
        self.served.append(tuple(str(each) for each in addresses))

    def stop(self) -> None:
        self.stopped += 1

    def streams(self) -> tuple[int, ...]:
        return (self._reader,)

    def attend(self) -> Sequence[str]:
        os.read(self._reader, 1)
        return self._log

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


OnUp = Callable[[Mapping[str, Address]], None]
