"""The process that stays with a detached one-off: its output, its time, its end.

Killed, it takes the one-off with it, as slug-run does that is attached: the engine's lifeline is
its own. Nothing else needs to know that there is one, but who looks into ``Notes``.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from buildpack.support.values import value
from runner import container_lines
from runner.engine_choice import EngineChoice, opened_engine
from runner.engines.base import EngineRequest, RunningContainer, Streams
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.identity import process_id
from runner.formation import ContainerSpec
from runner.logbook.app_log import AppLog
from runner.one_offs.lines import too_long
from runner.one_offs.notes import Note, Notes
from runner.signals import StopSignals

_LOG_EVERY = 1.0  # seconds between tries to write what a full disk refused


@value
class Detached:
    """Everything a detached one-off is started with."""

    spec: ContainerSpec
    engine: EngineChoice
    request: EngineRequest
    version: int
    app_dir: Path
    log_dir: Path
    who: str
    stop_timeout: float
    time_limit: float | None


@value
class Ended:
    """How a detached one-off ended."""

    code: int
    is_too_late: bool
    """its time limit was over"""
    was_stopped: bool
    """somebody stopped slug-run, which stayed with it"""


def own(detached: Detached, started: Callable[[], None]) -> Ended:
    """Start it, call ``started``, and stay until it has ended. Raises what starting does."""
    spec, notes = detached.spec, Notes(detached.app_dir)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, notes.hold(spec.name))
        stack.callback(notes.remove, spec.name)
        signals = stack.enter_context(StopSignals())
        signals.hold()
        engine = stack.enter_context(opened_engine(detached.engine, detached.request))
        log = stack.enter_context(AppLog(detached.log_dir))
        log.system(spec.name, container_lines.starting(spec.command, by=detached.who))
        reader, writer = os.pipe2(os.O_CLOEXEC)
        stack.callback(os.close, reader)
        os.set_blocking(reader, False)
        try:
            streams = Streams(stdin=None, stdout=writer, stderr=writer)
            container = engine.start(spec, streams=streams)
        finally:
            os.close(writer)
        stack.callback(container.remove)
        note = _note(detached, container)
        log.open_container(note.key, spec.name, reader)
        notes.write(note)
        log.system(spec.name, container_lines.state_changed("starting", "up"))
        started()
        stay = Stay(detached=detached, container=container, log=log, signals=signals)
        try:
            code = stay.until_its_end(note.key, reader)
        except BaseException as err:  # whatever it is: the log is where somebody looks
            log.system(spec.name, f"slug-run failed: {err!r}")
            raise
        container.remove()
        log.close_container(note.key)
        log.system(spec.name, container_lines.exited(code))
        log.system(spec.name, container_lines.state_changed("up", "complete"))
        return Ended(code=code, is_too_late=stay.is_too_late, was_stopped=signals.first is not None)


def _note(detached: Detached, container: RunningContainer) -> Note:
    limits = detached.request.limits
    init, groups = None, {}
    if isinstance(container, EmbeddedContainer):
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            pid = container.launched.init_pid
            init = None if pid is None else process_id(pid)
        if container.cgroup is not None:
            groups = {name: os.fspath(path) for name, path in container.cgroup.dirs.items()}
    return Note(
        name=detached.spec.name,
        command=detached.spec.command,
        version=detached.version,
        since=time.time(),
        key=f"{detached.spec.name}-{os.urandom(4).hex()}",
        owner=process_id(os.getpid()),
        init=init,
        groups=groups,
        memory=limits.memory,
        pids=limits.pids,
        quota=limits.quota,
    )


@dataclass(slots=True)
class Stay:
    """With one container: its lines go to the log, and it is stopped when it should be."""

    detached: Detached
    container: RunningContainer
    log: AppLog
    signals: StopSignals
    clock: Callable[[], float] = time.monotonic
    is_too_late: bool = False
    _stop_at: float = float("inf")
    _kill_at: float = float("inf")
    _is_stopping: bool = False

    def until_its_end(self, key: str, reader: int) -> int:
        """Its exit code."""
        if self.detached.time_limit is not None:
            self._stop_at = self.clock() + self.detached.time_limit
        is_open = True
        while (code := self.container.poll()) is None:
            ready = self._wait(reader if is_open else None)
            if reader in ready:
                is_open = self.log.attend(key)
            self._attend_ends()
        if self.container.was_oom_killed():
            self._say(container_lines.out_of_memory())
        return code

    def _wait(self, reader: int | None) -> set[int]:
        poller = select.poll()
        for descriptor in (self.signals.fileno(), self.container.exit_fd, reader):
            if descriptor is not None:
                poller.register(descriptor, select.POLLIN)
        left = min(self._stop_at, self._kill_at) - self.clock()
        if not self.log.settle():
            left = min(left, _LOG_EVERY)
        timeout = None if left == float("inf") else max(0.0, left) * 1000
        return {descriptor for descriptor, _ in poller.poll(timeout)}

    def _attend_ends(self) -> None:
        self.signals.drain()
        now = self.clock()
        is_late = now >= self._stop_at
        if (is_late or self.signals.first is not None) and not self._is_stopping:
            if is_late:
                self.is_too_late = True
                self._say(too_long(self.detached.time_limit or 0.0))
            self._say(container_lines.STOPPING)
            self._is_stopping = True
            self._stop_at, self._kill_at = float("inf"), now + self.detached.stop_timeout
            self.container.terminate()
        if now >= self._kill_at:
            self._kill_at = float("inf")
            self._say(container_lines.exit_timeout(self.detached.stop_timeout))
            self._say(container_lines.KILLING)
            self.container.kill()

    def _say(self, text: str) -> None:
        self.log.system(self.detached.spec.name, text)
