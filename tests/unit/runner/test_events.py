"""Events that wait for whoever follows them, and a run in a thread of its own."""

from __future__ import annotations

import select
import signal
import threading
from pathlib import Path

import pytest

from runner.background import BackgroundRun
from runner.events import Event, EventLog, Line, Missed, Up
from runner.policy import Outcome
from runner.running import FormationEndedError, NoUrlError
from runner.running_one_off import StdinError
from runner.signals import StopRequest
from tests.waiting import PATIENCE, until


def a_line(text: str, source: str = "app") -> Line:
    return Line(name="web.1", at=1.0, text=text, source=source)


def test_each_who_follows_gets_every_event_from_the_start_on() -> None:
    log = EventLog()
    first = log.follow()
    log.add(a_line("one"))
    assert next(first) == a_line("one")
    log.add(a_line("two"))
    log.end()
    assert list(first) == [a_line("two")]
    assert list(log.follow()) == [a_line("one"), a_line("two")]


def test_who_follows_waits_for_the_next_event() -> None:
    log = EventLog()
    found: list[Event] = []
    reader = threading.Thread(target=lambda: found.extend(log.follow()))
    reader.start()
    log.add(Up(name="web.1", at=1.0, address=None))
    until(lambda: found)
    assert found == [Up(name="web.1", at=1.0, address=None)]
    assert reader.is_alive()
    log.end()
    reader.join(PATIENCE)
    assert not reader.is_alive()


def test_what_nobody_takes_is_bounded_and_the_gap_is_told() -> None:
    log = EventLog(kept=1000, clock=lambda: 9.0)
    for number in range(10):
        log.add(a_line(f"{number}"))
    log.end()
    missed, *rest = log.follow()
    assert missed == Missed(name="events", at=9.0, count=6)
    assert rest == [a_line(f"{number}") for number in range(6, 10)]


def test_the_last_lines_are_the_apps_own() -> None:
    log = EventLog()
    for text in "abc":
        log.add(a_line(text))
    log.add(a_line("State changed", source="slug-run"))
    assert [line.text for line in log.last_lines(2)] == ["b", "c"]


def test_a_stop_request_wakes_and_insists_only_when_asked_to() -> None:
    stop = StopRequest()
    poller = select.poll()
    poller.register(stop.fileno(), select.POLLIN)
    assert (stop.first, stop.insists, poller.poll(0)) == (None, False, [])
    stop.ask()
    stop.ask()
    assert (stop.first, stop.insists, stop.exit_code) == (signal.SIGTERM, False, 143)
    assert poller.poll(0)
    stop.drain()
    assert not poller.poll(0)
    stop.ask(at_once=True)
    assert stop.insists
    stop.close()


def test_a_background_run_ends_when_it_is_asked_to_and_gives_its_descriptors_back() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    def work(stop: StopRequest) -> int:
        select.select([stop.fileno()], [], [])
        return stop.exit_code

    run = BackgroundRun("test", work)
    assert run.wait(0.01) is None
    assert run.stop() == 143
    assert (run.wait(), run.stop()) == (143, 143)
    run.ask_to_stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_a_background_run_raises_is_raised_to_whoever_asks() -> None:
    def work(_: StopRequest) -> int:
        raise ValueError("no")

    run = BackgroundRun("test", work)
    for ask in (run.wait, run.stop):
        with pytest.raises(ValueError, match="no"):
            ask()


def test_the_words_of_the_errors() -> None:
    ended = FormationEndedError(
        Outcome(exit_code=3, reason="web.1 ended before the app was up; see its lines above."),
        ["web.1: no module named app"],
    )
    assert ended.text() == "web.1 ended before the app was up\n\nweb.1: no module named app"
    assert (ended.id, ended.exit_code) == ("formation-ended", 1)
    silent = FormationEndedError(Outcome(exit_code=143), [])
    assert silent.text() == "The formation was stopped before it was up\n\nIt wrote nothing."
    assert NoUrlError(0).text() == (
        "The formation has no URL\n\nThere is no web container in the formation.\n\n"
        "'addresses' has one address for each web container."
    )
    assert NoUrlError(2).details == (
        "There are 2 web containers and no load balancer: Caddy is not installed."
    )
    assert StdinError("text").text() == (
        "A one-off cannot read from str\n\n"
        "Give bytes, or a file that open(path, 'rb') made:\n\n"
        "    runner.run_one_off(slug, 'cat', stdin=b'text')"
    )
