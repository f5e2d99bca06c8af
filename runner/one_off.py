"""One container for one command: its streams are ours, its exit code becomes ours."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from buildpack.support.errors import ExitCode, UsageError
from buildpack.support.values import value
from runner.engines.base import RunningContainer, Streams
from runner.formation import ContainerSpec
from runner.pump import Pump
from runner.signals import Stopping
from runner.terminal import copy_size, hang_up, has_shell, is_terminal, raw_mode, set_raw_again

CTRL_C = b"\x03"
FORCE_PRESSES, FORCE_WITHIN = 4, 1.0  # heroku run: four Ctrl-C in a second end a deaf program


@value
class OwnStreams:
    """Our side: the descriptors slug-run was started with. ``stdin`` None: it was closed."""

    stdin: int | None = 0
    stdout: int = 1
    stderr: int = 2
    wants_terminal: bool = True

    @property
    def terminal(self) -> bool:
        """A terminal is lent only when a person sits at both ends of it."""
        if not self.wants_terminal:
            return False
        return self.stdin is not None and is_terminal(self.stdin, self.stdout)


class NoTerminalError(UsageError):
    """A terminal was asked for, and there is none to lend."""

    id = "no-terminal"

    def __init__(self) -> None:
        super().__init__(
            "--tty needs a terminal at standard input and output",
            details="One of them is a file or a pipe, so the command gets pipes.",
            resolution="Leave --tty out, or run it from a terminal.",
        )


class Starter(Protocol):
    """What starts the command: an engine, or the entrance to a container that runs."""

    def start(self, spec: ContainerSpec, *, streams: Streams) -> RunningContainer: ...


@runtime_checkable
class HasTerminals(Protocol):
    """A starter whose commands find a terminal's name only if it is one of its own."""

    def open_terminal(self) -> tuple[int, int]:
        """Both sides, the window's first."""


@dataclass(slots=True)
class OneOff:
    """Runs one container to its end."""

    engine: Starter
    signals: Stopping
    own: OwnStreams
    stop_timeout: float = 30.0
    time_limit: float | None = None
    clock: Callable[[], float] = time.monotonic
    is_too_late: bool = False
    """whether the time limit ended it"""
    was_oom_killed: bool = False
    """whether the kernel ended a process of it, for want of memory"""
    _presses: deque[float] = field(default_factory=lambda: deque(maxlen=FORCE_PRESSES))
    _stop_at: float | None = None
    _kill_at: float | None = None
    _killed: bool = False
    _hung_up: bool = False

    def run(self, spec: ContainerSpec) -> int:
        """Start it, carry its bytes both ways, and give its exit code."""
        if self.own.terminal:
            return self._run_on_terminal(spec)
        return self._run_on_pipes(spec)

    def _run_on_terminal(self, spec: ContainerSpec) -> int:
        assert self.own.stdin is not None
        with contextlib.ExitStack() as stack:
            master, slave = self._open_terminal()
            stack.callback(os.close, master)
            slave_end = stack.enter_context(_closing(slave))
            os.set_blocking(master, False)
            copy_size(self.own.stdin, master)
            streams = Streams(stdin=slave, stdout=slave, stderr=slave, terminal=True)
            container = self.engine.start(spec, streams=streams)
            stack.callback(container.remove)
            slave_end.close()
            stack.enter_context(raw_mode(self.own.stdin))
            typed = Pump(self.own.stdin, master)
            shown = Pump(master, self.own.stdout)
            return self._carry(container, typed, (shown,), resize=(self.own.stdin, master))

    def _open_terminal(self) -> tuple[int, int]:
        if isinstance(self.engine, HasTerminals):
            return self.engine.open_terminal()
        return os.openpty()

    def _run_on_pipes(self, spec: ContainerSpec) -> int:
        """Pipes of our own in between: a container never holds a descriptor of this machine's."""
        with contextlib.ExitStack() as stack:
            in_end, in_ours = _pipe(stack)
            out_ours, out_end = _pipe(stack)
            err_ours, err_end = _pipe(stack)
            for end in (in_ours, out_ours, err_ours):
                os.set_blocking(end.descriptor, False)
            given = None if self.own.stdin is None else in_end.descriptor
            streams = Streams(stdin=given, stdout=out_end.descriptor, stderr=err_end.descriptor)
            container = self.engine.start(spec, streams=streams)
            stack.callback(container.remove)
            for end in (in_end, out_end, err_end):
                end.close()
            fed: Pump | None = None
            if self.own.stdin is not None:
                fed = Pump(self.own.stdin, in_ours.descriptor, close=in_ours.close)
            shown = (
                Pump(out_ours.descriptor, self.own.stdout, close=out_ours.close),
                Pump(err_ours.descriptor, self.own.stderr, close=err_ours.close),
            )
            return self._carry(container, fed, shown)

    def _carry(
        self,
        container: RunningContainer,
        fed: Pump | None,
        shown: tuple[Pump, ...],
        *,
        resize: tuple[int, int] | None = None,
    ) -> int:
        """Move bytes until the container has ended and its last ones are passed on."""
        pumps = (*shown, *((fed,) if fed else ()))
        if self.time_limit is not None:
            self._stop_at = self.clock() + self.time_limit
        while (code := container.poll()) is None:
            ready = self._wait(container, pumps)
            for pump in pumps:
                if (wanted := pump.wants()) is not None and wanted[0] in ready:
                    read = pump.step()
                    if pump is fed and resize is not None:
                        self._count_presses(read, container)
            self._attend_signals(container, resize)
        self.was_oom_killed = container.was_oom_killed()
        # What the command left behind must not keep writing between its end and ours.
        container.remove()
        for pump in shown:
            pump.drain(interrupted=lambda: self.signals.first is not None)
        if self.signals.first is not None:
            return self.signals.exit_code
        return ExitCode.TIME_LIMIT if self.is_too_late else code

    def _wait(self, container: RunningContainer, pumps: tuple[Pump, ...]) -> set[int]:
        poller = select.poll()  # unlike epoll it takes a plain file as stdin
        poller.register(self.signals.fileno(), select.POLLIN)
        poller.register(container.exit_fd, select.POLLIN)
        events: dict[int, int] = {}
        for pump in pumps:
            if (wanted := pump.wants()) is not None:
                events[wanted[0]] = events.get(wanted[0], 0) | wanted[1]
        for descriptor, event in events.items():
            poller.register(descriptor, event)
        due = self._stop_at if self._kill_at is None else self._kill_at
        waits = due is not None and not self._killed
        timeout = max(0.0, (due or 0.0) - self.clock()) * 1000 if waits else None
        return {descriptor for descriptor, _ in poller.poll(timeout)}

    def _attend_signals(self, container: RunningContainer, resize: tuple[int, int] | None) -> None:
        self.signals.drain()
        if self.signals.resized and resize is not None:
            self.signals.resized = False
            set_raw_again(resize[0])
            copy_size(*resize)
        is_due = self._stop_at is not None and self.clock() >= self._stop_at
        if (is_due or self.signals.first is not None) and self._kill_at is None:
            self.is_too_late = self.signals.first is None
            self._kill_at = self.clock() + self.stop_timeout
            container.terminate()
        if resize is not None and self._kill_at is not None:
            self._hang_up(resize[1])
        is_late = self._kill_at is not None and self.clock() >= self._kill_at
        if (is_late or self.signals.insists) and not self._killed:
            self._killed = True
            container.kill()

    def _hang_up(self, window: int) -> None:
        """Once: our terminal was closed, or a shell is on it by now, which SIGTERM does not end."""
        if not self._hung_up and (self.signals.first == signal.SIGHUP or has_shell(window)):
            self._hung_up = True
            hang_up(window)

    def _count_presses(self, typed: bytes, container: RunningContainer) -> None:
        for _ in range(typed.count(CTRL_C)):
            self._presses.append(self.clock())
        is_full = len(self._presses) == FORCE_PRESSES
        if is_full and self._presses[-1] - self._presses[0] <= FORCE_WITHIN:
            container.kill()


class _End:
    """One descriptor, closed once, early or at the end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


def _closing(descriptor: int) -> contextlib.closing[_End]:
    return contextlib.closing(_End(descriptor))


def _pipe(stack: contextlib.ExitStack) -> tuple[_End, _End]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    return stack.enter_context(_closing(reader)), stack.enter_context(_closing(writer))


def own_streams(*, tty: bool | None = None) -> OwnStreams:
    """Descriptors 0 to 2, with stdin None when slug-run was started without one.

    ``tty`` asks for a terminal, or for none. Raises NoTerminalError.
    """
    try:
        os.fstat(0)
        own = OwnStreams(wants_terminal=tty is not False)
    except OSError:
        own = OwnStreams(stdin=None, wants_terminal=tty is not False)
    if tty and not own.terminal:
        raise NoTerminalError
    return own


def one_off_ordinal(random: Callable[[int], bytes] = os.urandom) -> int:
    """The number in ``run.4711``: four digits, as Heroku's."""
    return 1000 + int.from_bytes(random(4), "big") % 9000
