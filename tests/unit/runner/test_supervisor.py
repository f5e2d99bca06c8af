"""The supervisor against an engine that does as it is told."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from buildpack.support.errors import SlugkitError
from runner.engines.base import Address, RunningContainer, Streams
from runner.engines.embedded.network import NetworkEndedError
from runner.errors import PortInUseError
from runner.formation import ContainerSpec
from runner.logs import LogWriter
from runner.policy import Outcome, Policy, back_off, pause_between_looks
from runner.rescaling import Wishes
from runner.signals import StopSignals
from runner.slot import ContainerState, Slot
from runner.supervisor import Supervisor
from tests.unit.runner.fakes import Behaviour, FakeContainer, FakeEngine, FakeFront, OnUp
from tests.unit.runner.samples import a_spec

TIMERS: list[threading.Timer] = []
WEB = a_spec("web.1", command="gunicorn app:app", port=5000)
WEB2 = a_spec("web.2", command="gunicorn app:app", port=5000)
WORKER = a_spec("worker.1", command="python w.py")


class Watched:
    """One run, its log and its outcome."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file
        self.up: list[dict[str, str]] = []

    def run(
        self,
        engine: FakeEngine,
        *specs: ContainerSpec,
        policy: Policy | None = None,
        front: FakeFront | None = None,
        on_up: OnUp = lambda _: None,
        on_change: Callable[[Slot], None] = lambda _: None,
        wishes: Wishes | None = None,
    ) -> Outcome:
        def note(addresses: Mapping[str, Address]) -> None:
            self.up.append({name: str(where) for name, where in addresses.items()})
            on_up(addresses)

        with self._log_file.open("wb") as file, StopSignals() as signals:
            signals.hold()
            log = LogWriter(
                descriptor=file.fileno(),
                names=tuple(spec.name for spec in specs),
                clock=lambda: "12:00:00",
            )
            supervisor = Supervisor(
                engine=engine,
                log=log,
                signals=signals,
                policy=policy or Policy(boot_timeout=5, stop_timeout=5),
                front=front,
                on_up=note,
                on_change=on_change,
                wishes=wishes,
            )
            return supervisor.run(specs)

    @property
    def lines(self) -> list[str]:
        """The log without its time and padding."""
        text = self._log_file.read_text()
        return [re.sub(r"^12:00:00 (\S+) +\| ", r"\1: ", line) for line in text.splitlines()]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "log")


@pytest.fixture
def front() -> Iterator[FakeFront]:
    made = FakeFront()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _timers_end() -> Iterator[None]:
    """Whatever a test forgets, it ends."""
    interrupt_after(10)
    yield
    while TIMERS:
        TIMERS.pop().cancel()


def interrupt(_: object = None) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupt_after(seconds: float) -> None:
    TIMERS.append(threading.Timer(seconds, interrupt))
    TIMERS[-1].start()


def test_ctrl_c_stops_everything_and_says_each_step(watched: Watched) -> None:
    engine = FakeEngine({"web.1": [Behaviour(output=b"Listening\n", on_terminate=0)]})
    outcome = watched.run(engine, WEB, on_up=interrupt)
    assert outcome == Outcome(exit_code=130)
    assert watched.lines == [
        "slug-run[web.1]: Starting process with command `gunicorn app:app`",
        "app[web.1]: Listening",
        "slug-run[web.1]: State changed from starting to up",
        "slug-run[web.1]: Stopping all processes with SIGTERM",
        "slug-run[web.1]: Process exited with status 0",
    ]
    assert engine.started[0].calls == ["terminate", "remove"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_each_stop_signal_has_its_exit_code(watched: Watched, number: int, code: int) -> None:
    outcome = watched.run(FakeEngine(), WEB, on_up=lambda _: os.kill(os.getpid(), number))
    assert outcome.exit_code == code


def test_all_are_told_once_when_all_are_up_and_where(watched: Watched) -> None:
    watched.run(FakeEngine(), WEB, WEB2, WORKER, on_up=interrupt)
    assert watched.up == [{"web.1": "10.0.2.1:5000", "web.2": "10.0.2.2:5000"}]


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(watched: Watched) -> None:
    engine = FakeEngine({"web.1": [Behaviour(on_terminate=None)]})
    policy = Policy(stop_timeout=0.1)
    began = time.monotonic()
    assert watched.run(engine, WEB, policy=policy, on_up=interrupt).exit_code == 130
    assert 0.1 <= time.monotonic() - began < 20
    assert engine.started[0].calls == ["terminate", "kill", "remove"]
    assert watched.lines[-3:] == [
        "slug-run[web.1]: Error R12 (Exit timeout) -> At least one process failed to exit"
        " within 0.1 seconds of SIGTERM",
        "slug-run[web.1]: Stopping remaining processes with SIGKILL",
        "slug-run[web.1]: Process exited with status 137",
    ]


def test_a_second_ctrl_c_kills_now(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.signals.SAME_PRESS", 0.0)
    engine = FakeEngine({"web.1": [Behaviour(on_terminate=None)]})

    def twice(_: object) -> None:
        interrupt()
        interrupt()

    began = time.monotonic()
    assert watched.run(engine, WEB, on_up=twice).exit_code == 130
    assert time.monotonic() - began < 20
    assert "kill" in engine.started[0].calls


def test_two_interrupts_of_one_key_press_do_not_kill(watched: Watched) -> None:
    engine = FakeEngine({"web.1": [Behaviour(on_terminate=None)]})

    def twice(_: object) -> None:
        interrupt()
        interrupt()

    began = time.monotonic()
    watched.run(engine, WEB, policy=Policy(stop_timeout=0.2), on_up=twice)
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(("ended", "code"), [(3, 3), (0, 1), (137, 137)])
def test_a_web_that_ends_before_the_app_is_up_ends_the_run(
    watched: Watched, ended: int, code: int
) -> None:
    engine = FakeEngine({"web.1": [Behaviour(output=b"ImportError: x", exits=ended)]})
    outcome = watched.run(engine, WEB, WORKER)
    assert outcome.exit_code == code
    assert outcome.reason == "web.1 ended before the app was up; see its lines above."
    assert "app[web.1]: ImportError: x" in watched.lines
    assert all(each.calls[-1] == "remove" for each in engine.started)
    assert len([each for each in engine.started if each.spec.name == "web.1"]) == 1


def test_a_later_crash_is_restarted_at_once(watched: Watched) -> None:
    engine = FakeEngine()

    def crash(_: object) -> None:
        engine.running("web.1").end(9, b"Traceback\n")
        interrupt_after(0.2)

    outcome = watched.run(engine, WEB, on_up=crash)
    assert outcome.exit_code == 130
    assert watched.lines[2:7] == [
        "app[web.1]: Traceback",
        "slug-run[web.1]: Process exited with status 9",
        "slug-run[web.1]: State changed from up to crashed",
        "slug-run[web.1]: Starting process with command `gunicorn app:app`",
        "slug-run[web.1]: State changed from starting to up",
    ]


def test_exit_zero_is_a_crash_too_and_repeated_crashes_wait(watched: Watched) -> None:
    engine = FakeEngine({"worker.1": [Behaviour(exits=0)]})
    interrupt_after(0.3)
    watched.run(engine, WORKER)
    assert len(engine.started) == 2
    assert "slug-run[worker.1]: Restarting in 1 second" in watched.lines


@pytest.mark.parametrize(
    ("waited", "cost", "booting", "pause"),
    [(0.1, 0.0003, 1, 0.02), (0.1, 0.005, 1, 0.05), (0.1, 0.0003, 50, 0.15), (0.1, 0.01, 50, 0.25),
     (5.0, 0.0003, 1, 0.25)],
)  # fmt: skip
def test_the_more_containers_boot_the_rarer_each_is_looked_at(
    waited: float, cost: float, booting: int, pause: float
) -> None:
    assert pause_between_looks(waited, cost=cost, booting=booting) == pytest.approx(pause)


def test_back_off_grows_to_a_minute_and_is_no_busy_loop() -> None:
    waits = [back_off(crashes) for crashes in range(10)]
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    starts, clock = 0, 0.0
    while clock < 300:
        clock += back_off(starts)
        starts += 1
    assert starts < 20


@pytest.mark.parametrize("code", [0, 5])
def test_exit_on_crash_stops_all_with_that_code(watched: Watched, code: int) -> None:
    engine = FakeEngine()
    outcome = watched.run(
        engine,
        WEB,
        WORKER,
        policy=Policy(exit_on_crash=True),
        on_up=lambda _: engine.running("worker.1").end(code),
    )
    assert outcome == Outcome(exit_code=code, reason="worker.1 ended.")
    assert engine.running("web.1").calls == ["terminate", "remove"]


def test_a_boot_that_takes_too_long_says_what_listens_instead(watched: Watched) -> None:
    elsewhere = (Address(host="127.0.0.1", port=5000), Address(host="0.0.0.0", port=8000))
    engine = FakeEngine({"web.1": [Behaviour(listens=elsewhere)]})
    outcome = watched.run(engine, WEB, policy=Policy(boot_timeout=0.1))
    assert outcome.exit_code == 75
    assert outcome.reason == (
        "web.1 did not listen on its PORT in time; it listens on 127.0.0.1:5000 (only the container"
        " itself gets there: listen on 0.0.0.0), 0.0.0.0:8000."
    )
    assert watched.lines[1:3] == [
        "slug-run[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT"
        " within 0.1 seconds of launch",
        "slug-run[web.1]: PORT is 5000; listening here: 127.0.0.1:5000 (only the container itself"
        " gets there: listen on 0.0.0.0), 0.0.0.0:8000",
    ]


def test_an_engine_that_cannot_start_the_first_time_ends_the_run(watched: Watched) -> None:
    engine = FakeEngine({"web.2": [Behaviour(fails=PortInUseError(5000))]})
    with pytest.raises(PortInUseError):
        watched.run(engine, WEB, WEB2)
    assert engine.running("web.1").calls == ["remove"]


def test_a_restart_that_fails_is_tried_again_later(watched: Watched) -> None:
    failure = SlugkitError("The engine hiccuped")
    engine = FakeEngine({"worker.1": [Behaviour(), Behaviour(fails=failure)]})

    def crash(_: object) -> None:
        engine.running("worker.1").end(1)
        interrupt_after(0.3)

    assert watched.run(engine, WORKER, on_up=crash).exit_code == 130
    assert "slug-run[worker.1]: Start failed: The engine hiccuped" in watched.lines
    assert watched.lines[-1] == "slug-run[worker.1]: Restarting in 1 second"


def interrupt_at_start(engine: FakeEngine, count: int) -> Callable[[Slot], None]:
    """For ``on_change``: when that start of a container is up."""

    def look(slot: Slot) -> None:
        if len(engine.started) == count and slot.state is ContainerState.UP:
            interrupt()

    return look


def test_a_boot_that_fails_once_all_was_up_ends_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ending.back_off", lambda _: 0.0)
    engine = FakeEngine({"web.1": [Behaviour(), Behaviour(listens=()), Behaviour()]})
    outcome = watched.run(
        engine,
        WEB,
        policy=Policy(boot_timeout=0.1, stop_timeout=5),
        on_up=lambda _: engine.running("web.1").end(1),
        on_change=interrupt_at_start(engine, 3),
    )
    assert outcome.exit_code == 130
    assert "slug-run[web.1]: PORT is 5000; listening here: nothing" in watched.lines


def test_who_ran_for_long_is_started_again_at_once(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ending.STEADY", 0.0)
    engine = FakeEngine({"worker.1": [Behaviour(exits=0), Behaviour(exits=0), Behaviour()]})
    watched.run(engine, WORKER, on_change=interrupt_at_start(engine, 3))
    assert not [line for line in watched.lines if "Restarting in" in line]


def test_what_the_kernel_cannot_end_is_not_waited_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ending.LAST_WAIT", 0.1)
    engine = FakeEngine({"web.1": [Behaviour(on_terminate=None, on_kill=None)]})
    outcome = watched.run(engine, WEB, policy=Policy(stop_timeout=0.1), on_up=interrupt)
    assert outcome.exit_code == 130
    assert engine.started[0].calls == ["terminate", "kill", "remove"]
    assert watched.lines[-1] == (
        "slug-run[web.1]: Process does not end after SIGKILL; it is left to the kernel"
    )


def test_a_memory_kill_is_named(watched: Watched) -> None:
    engine = FakeEngine({"web.1": [Behaviour(exits=137, oom=True)]})
    assert watched.run(engine, WEB).exit_code == 137
    assert (
        "slug-run[web.1]: Error R15 (Memory quota vastly exceeded) -> killed at the limit;"
        " --memory raises it"
    ) in watched.lines


def test_the_front_serves_what_is_up_and_stops_first(watched: Watched, front: FakeFront) -> None:
    engine = FakeEngine()
    watched.run(engine, WEB, WEB2, front=front, on_up=interrupt)
    assert front.served == [("10.0.2.1:5000",), ("10.0.2.1:5000", "10.0.2.2:5000")]
    assert front.stopped == 1


def test_the_front_loses_a_container_that_crashed(watched: Watched, front: FakeFront) -> None:
    engine = FakeEngine({"web.2": [Behaviour(), Behaviour(listens=())]})

    def crash(_: object) -> None:
        engine.running("web.2").end(1)
        interrupt_after(0.2)

    watched.run(engine, WEB, WEB2, front=front, on_up=crash)
    assert front.served[-1] == ("10.0.2.1:5000",)


def test_what_the_front_says_is_in_the_log(watched: Watched) -> None:
    front = FakeFront(log=["dial tcp: refused"])
    watched.run(FakeEngine(), WEB, front=front, on_up=interrupt)
    front.close()
    assert any(line.endswith("router]: dial tcp: refused") for line in watched.lines)


def test_publish_is_for_web_alone(watched: Watched) -> None:
    engine = FakeEngine()
    watched.run(engine, WEB, WORKER, policy=Policy(publish=5000), on_up=interrupt)
    assert [(each.spec.name, each.publish) for each in engine.started] == [
        ("web.1", 5000),
        ("worker.1", None),
    ]


def test_a_reader_who_leaves_stops_the_run() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    engine = FakeEngine({"web.1": [Behaviour(output=b"hello\n")]})
    with StopSignals() as signals:
        signals.hold()
        log = LogWriter(descriptor=writer, names=("web.1",))
        outcome = Supervisor(engine=engine, log=log, signals=signals).run([WEB])
    os.close(writer)
    assert outcome.exit_code == 141
    assert engine.started[0].calls == ["terminate", "remove"]


def test_nothing_is_left_open(watched: Watched) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    watched.run(FakeEngine(), WEB, WEB2, WORKER, on_up=interrupt)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_each_change_of_state_is_told_once_with_the_exit_code(watched: Watched) -> None:
    changes: list[tuple[str, str, int | None]] = []

    def note(slot: Slot) -> None:
        changes.append((slot.name, str(slot.state), slot.exit_code))
        if changes.count(("worker.1", "up", None)) == 2 and slot.state == "up":
            interrupt()

    engine = FakeEngine({"worker.1": [Behaviour(exits=3), Behaviour(on_terminate=0)]})
    watched.run(engine, WORKER, on_change=note)
    assert changes == [
        ("worker.1", "starting", None),
        ("worker.1", "up", None),
        ("worker.1", "crashed", 3),
        ("worker.1", "starting", None),
        ("worker.1", "up", None),
        ("worker.1", "stopping", None),
        ("worker.1", "down", 0),
    ]


class EngineToLookAfter(FakeEngine):
    """Says ``said`` one after the other when it is looked after; raises what is an error."""

    def __init__(self, *said: str | SlugkitError | None) -> None:
        super().__init__()
        self.said = list(said)
        self.looked_after: list[list[str]] = []

    def look_after(self, containers: Iterable[RunningContainer]) -> str | None:
        self.looked_after.append([each.id for each in containers])
        found = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(found, SlugkitError):
            raise found
        return found


def test_what_the_engine_sets_right_is_said_once_and_what_it_cannot_ends_the_run(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.supervisor.LOOK_EVERY", 0.01)
    ended = NetworkEndedError("slirp4netns")
    engine = EngineToLookAfter(None, "It is back", "It is back", ended)
    outcome = watched.run(engine, WEB)
    reason = "The app's network has ended: slirp4netns, which it cannot do without, was killed."
    assert outcome == Outcome(exit_code=69, reason=reason)
    assert engine.looked_after[-1] == ["fake-web.1"]
    assert watched.lines == [
        "slug-run[web.1]: Starting process with command `gunicorn app:app`",
        "slug-run[web.1]: State changed from starting to up",
        "slug-run[engine]: It is back",
        "slug-run[web.1]: Stopping all processes with SIGTERM",
        "slug-run[web.1]: Process exited with status 143",
    ]


def test_a_start_that_cannot_succeed_any_more_ends_the_run_at_once(watched: Watched) -> None:
    class Broken(EngineToLookAfter):
        def start(
            self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
        ) -> FakeContainer:
            if self.started:
                raise PortInUseError(5000)
            return super().start(spec, streams=streams, publish=publish)

    engine = Broken(NetworkEndedError("unshare"))
    outcome = watched.run(engine, WEB, on_up=lambda _: engine.running("web.1").end(137))
    assert outcome.exit_code == 69
    assert outcome.reason.startswith("The app's network has ended: unshare")
    assert "Start failed" not in "\n".join(watched.lines)


def test_who_is_wanted_again_starts_when_the_one_before_has_ended(watched: Watched) -> None:
    """Both would have one name, and perhaps one port."""
    engine = FakeEngine({"web.2": [Behaviour(on_terminate=None), Behaviour()]})
    wishes, states = Wishes(), []

    def note(slot: Slot) -> None:
        if slot.name != "web.2":
            return
        states.append(slot.state)
        if slot.state is ContainerState.STOPPING and states.count(slot.state) == 1:
            wishes.say([WEB, WEB2])
        if slot.state is ContainerState.UP and states.count(slot.state) == 2:
            interrupt()

    try:
        watched.run(
            engine,
            WEB,
            WEB2,
            policy=Policy(boot_timeout=5, stop_timeout=0.2),
            on_up=lambda _: wishes.say([WEB]),
            on_change=note,
            wishes=wishes,
        )
    finally:
        wishes.close()
    assert [str(each) for each in states] == [
        *("starting", "up", "stopping", "down"),
        *("starting", "up", "stopping", "down"),
    ]
    assert engine.started[1].calls == ["terminate", "kill", "remove"]
