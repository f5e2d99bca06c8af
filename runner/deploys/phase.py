"""The release phase: the slug's process type ``release``, once, in a container of the new release.

It blocks: the release is pending until the command has ended, and whatever ran before runs on.
Attached on purpose: killed with us, the command does not go on behind the back of who deploys.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from buildpack.support.errors import shown_seconds
from buildpack.support.values import value
from runner.deploys.release_output import ReleaseOutput
from runner.engine_choice import EngineChoice
from runner.engines.base import ContainerEngine, Limits, RunningContainer, Streams
from runner.formation import ContainerSpec
from runner.logs import LineSplitter, LogWriter
from runner.signals import StopSignals

CHUNK = 64 * 1024
LAST_LINES = 10
TIMEOUT = 3600.0  # seconds: Heroku's limit


@value
class PhaseOptions:
    """How release commands are run."""

    engine: EngineChoice
    limits: Limits = Limits()
    timeout: float = TIMEOUT
    stop_timeout: float = 30.0


@value
class PhaseEnd:
    """How a release command ended."""

    code: int
    timed_out: bool
    stopped_by: int | None
    """the signal slug-run itself got"""
    oom_killed: bool
    last: tuple[str, ...]
    """lines"""

    @property
    def succeeded(self) -> bool:
        return self.code == 0 and not self.timed_out and self.stopped_by is None

    def in_words(self, timeout: float) -> str:
        """``the release command exited with status 1``."""
        if self.stopped_by is not None:
            return "the release command was stopped"
        if self.timed_out:
            return f"the release command ran for longer than {shown_seconds(timeout)}"
        more = " (out of memory)" if self.oom_killed else ""
        return f"the release command exited with status {self.code}{more}"


@dataclass(slots=True)
class PhaseRun:
    """Runs one container to its end; what it writes is shown, kept, and its last lines returned."""

    engine: ContainerEngine
    signals: StopSignals
    log: LogWriter | None
    output: ReleaseOutput
    timeout: float
    stop_timeout: float
    clock: Callable[[], float] = time.monotonic
    _name: str = ""
    _splitter: LineSplitter = field(default_factory=LineSplitter)
    _last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    _stop_at: float = 0.0
    _kill_at: float = float("inf")
    _timed_out: bool = False

    def run(self, spec: ContainerSpec) -> PhaseEnd:
        """Start the container and stay with it."""
        self._name = spec.name
        self._stop_at = self.clock() + self.timeout
        with contextlib.ExitStack() as stack:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            stack.callback(os.close, reader)
            os.set_blocking(reader, False)
            try:
                streams = Streams(stdin=None, stdout=writer, stderr=writer)
                container = self.engine.start(spec, streams=streams)
            finally:
                os.close(writer)
            stack.callback(container.remove)
            code = self._stay_with(container, reader)
            return PhaseEnd(
                code=code,
                timed_out=self._timed_out,
                stopped_by=self.signals.first,
                oom_killed=container.was_oom_killed(),
                last=tuple(self._last),
            )

    def _stay_with(self, container: RunningContainer, reader: int) -> int:
        open_end = True
        while (code := container.poll()) is None:
            open_end = self._wait(container, reader, open_end=open_end)
            self._stop_if_asked(container)
        while open_end and self._read(reader):
            pass
        self._show(self._splitter.finish())
        return code

    def _wait(self, container: RunningContainer, reader: int, *, open_end: bool) -> bool:
        """Wait for bytes, the end or a reason to stop; False once no more bytes will come."""
        poller = select.poll()
        poller.register(self.signals.fileno(), select.POLLIN)
        poller.register(container.exit_fd, select.POLLIN)
        if open_end:
            poller.register(reader, select.POLLIN)
        left = min(self._stop_at, self._kill_at) - self.clock()
        ready = dict(poller.poll(None if left == float("inf") else max(0.0, left) * 1000))
        return self._read(reader) if reader in ready else open_end

    def _stop_if_asked(self, container: RunningContainer) -> None:
        self.signals.drain()
        now = self.clock()
        late = now >= self._stop_at
        if self._stop_at < float("inf") and (late or self.signals.first is not None):
            self._timed_out = late and self.signals.first is None
            self._stop_at = float("inf")
            self._kill_at = now + self.stop_timeout
            container.terminate()
        if now >= self._kill_at or (self.signals.insists and self._kill_at < float("inf")):
            self._kill_at = float("inf")
            container.kill()

    def _read(self, reader: int) -> bool:
        """Take what is there; False when there is no more, or will never be any."""
        try:
            chunk = os.read(reader, CHUNK)
        except BlockingIOError:
            return False
        if chunk:
            self.output.add(chunk)
            self._show(self._splitter.feed(chunk))
        return bool(chunk)

    def _show(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._last.append(line)
            if self.log is not None:
                self.log.app(self._name, line)
