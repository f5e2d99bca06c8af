"""The load balancer's lines on their way to the log, and what is known of containers for them."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from runner.engines.base import Address
from runner.router_log.codes import Code
from runner.supervision.front_config import Server
from runner.supervision.router_log import MOST_KNOWN, MUCH, PAUSE, RouterLog, UpkeepStanding
from slugc.procfile import ProcessType


class FakeLog:
    """Reads what it is told to attend to."""

    def __init__(self) -> None:
        self.pipes: dict[str, int] = {}
        self.taken: list[bytes] = []

    def system(self, name: str, text: str) -> None:
        raise AssertionError((name, text))

    def open_container(self, key: str, name: str, pipe: int) -> None:
        assert name == "router"
        self.pipes[key] = pipe

    def attend(self, key: str) -> bool:
        found = os.read(self.pipes[key], 65536)
        self.taken.append(found)
        return bool(found)

    def close_container(self, key: str) -> None:
        del self.pipes[key]


class Bench:
    """A RouterLog with a pipe, a log and a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.selector = selectors.DefaultSelector()
        self.log = FakeLog()
        self.reader, self.writer = os.pipe()
        never: Any = lambda: None  # noqa: E731
        self.router_log = RouterLog(never, selector=self.selector, clock=lambda: self.now)
        self.router_log.write_to(self.log)
        self.router_log.open_pipe("k", self.reader)

    def round(self) -> None:
        """One round of a supervisor."""
        for key, _ in self.selector.select(0):
            key.data()
        due = self.router_log.due()
        if due is not None and due <= self.now:
            self.router_log.attend()

    def close(self) -> None:
        self.selector.close()
        os.close(self.reader)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_the_first_line_is_taken_at_once_and_the_next_after_a_pause(bench: Bench) -> None:
    os.write(bench.writer, b"one\n")
    bench.round()
    assert bench.log.taken == [b"one\n"]
    assert bench.router_log.due() == PAUSE
    os.write(bench.writer, b"two\n")
    os.write(bench.writer, b"three\n")
    bench.round()
    assert bench.log.taken == [b"one\n"]
    bench.now = PAUSE
    bench.round()
    bench.round()
    assert bench.log.taken == [b"one\n", b"two\nthree\n"]
    os.close(bench.writer)


def test_after_a_pipe_that_held_much_there_is_no_pause(bench: Bench) -> None:
    """While it is full all requests wait: clients with long paths would fill it."""
    os.write(bench.writer, b"x" * MUCH)
    bench.round()
    os.write(bench.writer, b"next\n")
    bench.round()
    bench.round()
    assert bench.log.taken == [b"x" * MUCH, b"next\n"]
    assert bench.now == 0
    assert bench.router_log.due() == PAUSE
    os.close(bench.writer)


def test_who_says_nothing_wakes_nobody(bench: Bench) -> None:
    os.write(bench.writer, b"one\n")
    bench.round()
    bench.now = PAUSE
    bench.round()
    assert bench.router_log.due() is None
    assert bench.selector.select(0) == []
    os.close(bench.writer)


def test_the_end_of_what_is_said_is_not_waited_for_again(bench: Bench) -> None:
    os.close(bench.writer)
    bench.round()
    assert bench.log.taken == [b""]
    assert bench.router_log.due() is None
    assert not bench.selector.get_map()
    bench.router_log.close_pipe("k")
    assert bench.log.pipes == {}


def test_a_pipe_is_closed_whether_it_is_watched_or_pauses(bench: Bench) -> None:
    assert bench.router_log.keys == {"k"}
    os.write(bench.writer, b"one\n")
    bench.round()
    bench.router_log.close_pipe("k")
    bench.router_log.open_pipe("k", bench.reader)
    bench.router_log.close_pipe("k")
    bench.router_log.close_pipe("k")
    assert bench.router_log.keys == frozenset()
    assert not bench.selector.get_map()
    os.close(bench.writer)


def live(name: str, port: int) -> Any:
    address = Address(host="127.0.0.1", port=port)
    record = SimpleNamespace(process_type=ProcessType(name.partition(".")[0]))
    inside = Address(host=f"10.0.2.{port % 250 + 4}", port=5000)
    server = Server(inside=inside, outside=address)
    return SimpleNamespace(name=name, record=record, server=server)


def upkeep(*lives: Any, places: tuple[str, ...] = (), crashed: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(
        lives={each.name: each for each in lives},
        places=[
            SimpleNamespace(name=name, process_type=ProcessType(name.partition(".")[0]))
            for name in places
        ],
        crashes=SimpleNamespace(
            of_release=lambda place: object() if place.name in crashed else None
        ),
    )


def test_a_container_is_known_by_its_address_also_when_it_is_gone() -> None:
    found = upkeep(live("web.1", 41001), live("worker.1", 41002))
    standing = UpkeepStanding(lambda: found)
    assert standing.name_of("127.0.0.1:41001") == "web.1"
    found.lives.clear()
    assert standing.name_of("127.0.0.1:41001") == "web.1"
    assert standing.name_of("127.0.0.1:41002") == ""


def test_an_address_is_the_newest_containers_and_the_oldest_are_forgotten() -> None:
    found = upkeep(live("web.1", 41001))
    standing = UpkeepStanding(lambda: found)
    standing.note()
    for port in range(1, MOST_KNOWN + 1):
        found.lives["web.2"] = live("web.2", port)
        found.lives.pop("web.1", None)
        standing.note()
    found.lives.clear()
    assert standing.name_of("127.0.0.1:41001") == ""
    assert standing.name_of(f"127.0.0.1:{MOST_KNOWN}") == "web.2"


@pytest.mark.parametrize(
    ("places", "crashed", "code"),
    [
        ((), (), Code.H14),
        (("worker.1",), ("worker.1",), Code.H14),
        (("web.1", "web.2"), (), Code.H20),
        (("web.1", "web.2"), ("web.2",), Code.H10),
        (("web.1", "worker.1"), ("worker.1",), Code.H20),
    ],
)
def test_why_nobody_answers(places: tuple[str, ...], crashed: tuple[str, ...], code: Code) -> None:
    found = upkeep(places=places, crashed=crashed)
    assert UpkeepStanding(lambda: found).why_nobody() is code
