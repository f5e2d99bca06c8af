"""A formation that runs inside a program: started, followed, stopped, without a terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

from buildpack.support.errors import ExitCode, SlugkitError, UsageError
from runner.background import BackgroundRun
from runner.carrying import Audience, FormationPlan, carry_formation
from runner.engines.base import Address
from runner.events import Crashed, Down, Event, EventLog, Line, Starting, Up
from runner.front import LOOPBACK
from runner.policy import Outcome
from runner.requests import StartRequest
from runner.rescaling import Wishes, rescaled
from runner.signals import StopRequest
from runner.slot import ContainerState, Slot

SHOWN_LINES = 20
# Of a container that is to come up, and of one that is to end.
_SETTLED: Mapping[bool | None, tuple[ContainerState, ...]] = {
    True: (ContainerState.UP, ContainerState.CRASHED),
    False: (ContainerState.DOWN,),
}


class FormationEndedError(SlugkitError):
    """A formation ended before it was up, or before it was scaled. ``outcome`` says how,
    ``lines`` what was written."""

    exit_code = ExitCode.FAILED
    id = "formation-ended"

    def __init__(self, outcome: Outcome, lines: Sequence[str], *, was_up: bool = False) -> None:
        self.outcome, self.lines = outcome, tuple(lines)
        reason = outcome.reason.removesuffix("; see its lines above.").rstrip(".")
        super().__init__(
            reason or f"The formation was stopped{'' if was_up else ' before it was up'}",
            details="\n".join(self.lines) or "It wrote nothing.",
        )


class NotUpError(SlugkitError):
    """New containers did not come up; the formation goes on, and they are tried again."""

    exit_code = ExitCode.FAILED
    id = "not-up"

    def __init__(self, names: Sequence[str], lines: Sequence[str]) -> None:
        self.names, self.lines = tuple(names), tuple(lines)
        super().__init__(
            f"Not all that was asked for is up: {', '.join(self.names)}",
            details="\n".join(self.lines) or "They wrote nothing.",
            resolution="They are tried again all the same. To do without, scale to fewer.",
        )


class NoUrlError(UsageError):
    """The formation has no single address."""

    id = "no-url"

    def __init__(self, web: int) -> None:
        self.web = web
        found = (
            f"There are {web} web containers and no load balancer: Caddy is not installed."
            if web
            else "There is no web container in the formation."
        )
        super().__init__(
            "The formation has no URL",
            details=found,
            resolution="'addresses' has one address for each web container.",
        )


class RunningFormation:
    """Containers that run until the block is left. Made by ``runner.start``.

    May be used from several threads at once. Its containers end with the program, however that
    ends.
    """

    def __init__(self, request: StartRequest, plan: FormationPlan, events: EventLog) -> None:
        self._request, self._plan, self._events = request, plan, events
        self._specs = plan.specs
        self._addresses: dict[str, Address] = {}
        self._lock = threading.Condition()
        self._scaling = threading.Lock()
        self._wishes: Wishes | None = Wishes()
        self._awaited: dict[str, bool] = {}
        """what is being scaled, and whether it is to come up, else to end"""
        self._crashed: list[str] = []
        self._settled = threading.Event()
        self._was_up = False
        self._run = BackgroundRun(f"slug-run {plan.release.app}", self._carry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except SlugkitError:
            if error is None:  # what ended the block matters more
                raise

    @property
    def url(self) -> str:
        """Where the web containers answer. Raises NoUrlError where there is no single place."""
        found = self._plan.front.url
        if found is None:
            web = sum(spec.port is not None for spec in self._specs)
            raise NoUrlError(web)
        # The published port is IPv4's; localhost may be asked for as ::1 first.
        return found.replace("//localhost:", f"//{LOOPBACK}:")

    @property
    def addresses(self) -> Mapping[str, Address]:
        """Where each web container that is up answers now, by name."""
        with self._lock:
            return MappingProxyType(dict(self._addresses))

    def events(self) -> Iterator[Event]:
        """Everything that happens, from the start on; ends when all containers have ended.

        Whoever calls it gets all events of their own. Some megabytes are kept of those that
        nobody has taken; in the place of others is a Missed.
        """
        return self._events.follow()

    def scale(self, formation: Mapping[str, int]) -> None:
        """From now on so many of these types, 0 for none; others stay as they are.

        Returns when those that are new are up, and those that were too many have ended. Raises
        NotUpError where one crashed instead, FormationEndedError where the formation did.
        """
        with self._scaling:
            specs = rescaled(self._request, self._plan, self._specs, formation)
            before, after = ({each.name for each in some} for some in (self._specs, specs))
            with self._lock:
                self._awaited = {name: name in after for name in before ^ after}
                self._crashed = []
                if self._wishes is not None:
                    self._specs = specs
                    self._wishes.say(specs)
                self._lock.wait_for(lambda: self._wishes is None or not self._awaited)
            if self._wishes is None:
                raise self._ended()
            if self._crashed:
                raise NotUpError(self._crashed, self._last_lines(self._crashed))

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """How the formation ended; None if it still runs after ``timeout`` seconds."""
        return self._run.wait(timeout)

    def stop(self) -> Outcome:
        """SIGTERM to every process, SIGKILL after the stop timeout; returns when all have ended."""
        return self._run.stop()

    def _wait_until_up(self) -> None:
        """Raises FormationEndedError, or what kept it from starting; stops if interrupted."""
        try:
            self._settled.wait()
        except BaseException:  # Ctrl-C too: then it ends at once
            self._run.abandon()
            raise
        if not self._was_up:
            raise self._ended()

    def _ended(self) -> FormationEndedError:
        outcome = self._run.wait()
        assert outcome is not None
        return FormationEndedError(outcome, self._last_lines(), was_up=self._was_up)

    def _last_lines(self, names: Collection[str] = ()) -> Sequence[str]:
        """Of these containers, else of all."""
        last = self._events.last_lines(SHOWN_LINES, names)
        return [f"{line.name}: {line.text}" for line in last]

    # In the run's own thread

    def _carry(self, stop: StopRequest) -> Outcome:
        audience = Audience(
            make_log=lambda: _EventWriter(self._events),
            notify=noting(self._events),
            on_up=self._note_up,
            on_change=self._note_change,
        )
        try:
            return carry_formation(self._request, self._plan, audience, stop, wishes=self._wishes)
        finally:
            self._end_wishes()
            self._events.end()
            self._settled.set()

    def _note_up(self, _: Mapping[str, Address]) -> None:
        self._was_up = True
        self._settled.set()

    def _end_wishes(self) -> None:
        with self._lock:
            assert self._wishes is not None
            self._wishes.close()
            self._wishes = None
            self._lock.notify_all()

    def _note_change(self, slot: Slot) -> None:
        with self._lock:
            if slot.state in _SETTLED.get(self._awaited.get(slot.name), ()):
                del self._awaited[slot.name]
                self._crashed += [slot.name] * (slot.state is ContainerState.CRASHED)
                self._lock.notify_all()
            if slot.serves is not None:
                self._addresses[slot.name] = slot.serves
            else:
                self._addresses.pop(slot.name, None)
        if (event := _event(slot, self._events.now())) is not None:
            self._events.add(event)


def start_formation(
    request: StartRequest, plan: FormationPlan, events: EventLog
) -> RunningFormation:
    """Start what was planned; when this returns all of it is up."""
    running = RunningFormation(request, plan, events)
    running._wait_until_up()
    return running


def _event(slot: Slot, now: float) -> Event | None:
    match slot.state:
        case ContainerState.STARTING:
            return Starting(name=slot.name, at=now, command=slot.spec.command)
        case ContainerState.UP:
            return Up(name=slot.name, at=now, address=slot.serves)
        case ContainerState.CRASHED:
            return Crashed(name=slot.name, at=now, exit_code=slot.exit_code)
        case ContainerState.DOWN:
            return Down(name=slot.name, at=now, exit_code=slot.exit_code)
        case ContainerState.STOPPING:
            return None  # a line says so


def noting(events: EventLog) -> Callable[[str], None]:
    """What slug-run would tell the person watching becomes a line of its own."""
    return lambda text: _EventWriter(events).system("notice", text)


class _EventWriter:
    """The log of a run, as events."""

    closed = False

    def __init__(self, events: EventLog) -> None:
        self._events = events

    def app(self, name: str, text: str) -> None:
        self._add(name, text, "app")

    def system(self, name: str, text: str) -> None:
        self._add(name, text, "slug-run")

    def _add(self, name: str, text: str, source: str) -> None:
        self._events.add(Line(name=name, at=self._events.now(), text=text, source=source))
