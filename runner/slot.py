"""One place in the formation: the container that fills it now, its output and its clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from buildpack.support.errors import SlugkitError
from runner.engines.base import Address, ContainerEngine, RunningContainer, Streams
from runner.formation import ContainerSpec
from runner.logs import LineSplitter

if TYPE_CHECKING:
    from runner.readiness import ReadinessProbe

CHUNK = 64 * 1024
MAX_DRAIN = 1024 * 1024  # the largest pipe Linux gives without privilege


class ContainerState(StrEnum):
    """Heroku's states; DOWN is before the first start and after the last stop."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    CRASHED = "crashed"
    STOPPING = "stopping"


class Slot:
    """Follows one ``ContainerSpec`` through starts, crashes and restarts.

    ``due`` is when its state next needs attention, in monotonic seconds; None is never.
    ``exit_code`` is how the newest container ended; None while it runs.
    """

    def __init__(self, spec: ContainerSpec, *, due: float) -> None:
        self.spec = spec
        self.state = ContainerState.DOWN
        self.container: RunningContainer | None = None
        self.probe: ReadinessProbe | None = None
        self.due: float | None = due
        self.started_at = 0.0
        self.exit_code: int | None = None
        self.crashes = 0
        self.boot_failure = ""  # what it listened on instead of its PORT
        self.killed = False
        self._splitter = LineSplitter()
        self._reader = -1

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def serves(self) -> Address | None:
        """Where it takes requests now; None while it does not."""
        is_up = self.state is ContainerState.UP and self.exit_code is None
        return self.container.address if is_up and self.container is not None else None

    @property
    def has_ended(self) -> bool:
        """Stopped for good; one that is still to be started is due."""
        return self.state is ContainerState.DOWN and self.due is None

    def start(
        self, engine: ContainerEngine, *, now: float, publish: int | None
    ) -> RunningContainer:
        """Fill it with a fresh container. Raises what the engine does, and stays empty then."""
        self.started_at, self.killed, self.boot_failure = now, False, ""
        self.exit_code = None
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        self._reader, self._splitter = reader, LineSplitter()
        streams = Streams(stdin=None, stdout=writer, stderr=writer)
        try:
            self.container = engine.start(self.spec, streams=streams, publish=publish)
        except SlugkitError:
            self.close()
            raise
        finally:
            os.close(writer)
        return self.container

    def read_output(self) -> Iterator[str] | None:
        """The lines of one chunk; None when the output has ended."""
        try:
            chunk = os.read(self._reader, CHUNK)
        except BlockingIOError:
            return iter(())
        return self._splitter.feed(chunk) if chunk else None

    def read_rest(self) -> Iterator[str]:
        """Everything the container still had to say, without waiting for whom it left behind."""
        for _ in range(MAX_DRAIN // CHUNK):
            try:
                chunk = os.read(self._reader, CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                break
            yield from self._splitter.feed(chunk)
        yield from self._splitter.finish()

    @property
    def reader(self) -> int:
        """Our end of the output; -1 while there is none."""
        return self._reader

    def close(self) -> None:
        """Give back all that it holds; it is empty then."""
        if self.container is not None:
            self.container.remove()
            self.container = None
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
        if self.probe is not None:
            self.probe.close()
            self.probe = None
