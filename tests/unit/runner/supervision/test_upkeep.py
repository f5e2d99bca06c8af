"""upkeep: containers are started, given up, started again and replaced as it says they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runner.engines.base import Address
from runner.errors import PortInUseError
from runner.state.values import App
from runner.supervision.front_config import Server
from runner.supervision.live import Front
from runner.supervision.reconcile import Rolling
from runner.supervision.upkeep import named
from runner.supervision.wanted import Settings, Wanted
from slugc.procfile import ProcessType
from tests.unit.runner.supervision.fakes import FakeFds, Stage
from tests.unit.runner.supervision.test_reconcile import place

SETTINGS = Settings(boot_timeout=5.0, stop_timeout=3.0)
STARTING = "Starting process with command `run it`"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    yield found
    found.close()


def wanted(*names: str, version: int = 1) -> Wanted:
    app = App(number=1, name="polls", created_at="")
    places = tuple(place(name, version) for name in names)
    return Wanted(app=app, release=None, places=places, settings=SETTINGS)


class RecordingFront:
    """What the load balancer was told."""

    def __init__(self) -> None:
        self.served: list[int] = []

    def serve(self, servers: Sequence[Server]) -> None:
        self.served.append(len(servers))


def test_what_is_wanted_is_started_and_begins_when_it_is_written_down(
    stage: Stage, tmp_path: Path
) -> None:
    stage.upkeep.want(wanted("web.1", "worker.1"))
    stage.go()
    assert stage.states() == {"web.1": "up", "worker.1": "up"}
    assert stage.log.lines == [
        f"web.1: {STARTING}",
        "web.1: State changed from starting to up",
        f"worker.1: {STARTING}",
        "worker.1: State changed from starting to up",
    ]
    assert sorted(path.name for path in tmp_path.glob("w*.json")) == [
        "web.1-1.json",
        "worker.1-2.json",
    ]
    assert [each.calls for each in stage.engine.started] == [["begin"], ["begin"]]
    assert stage.engine.lent == 2, "room for what a start writes"
    assert stage.upkeep.is_settled()
    assert stage.upkeep.due() is None


def test_crashes_make_pauses_that_grow_and_five_minutes_of_running_clear_them(
    stage: Stage,
) -> None:
    stage.upkeep.want(wanted("worker.1"))
    pauses = []
    for _ in range(9):
        stage.go()
        stage.engine.started[-1].end(1)
        began = stage.now
        count = len(stage.engine.started)
        while len(stage.engine.started) == count:
            stage.go(0.5)
        pauses.append(stage.now - began)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    stage.go(301)
    stage.engine.started[-1].end(0)
    stage.go()
    assert stage.states() == {"worker.1": "up"}
    assert "worker.1: Restarting in 60 seconds" in stage.log.lines
    assert "worker.1: Restarting in 1 second" in stage.log.lines


def test_never_more_than_twenty_starts_in_five_minutes(stage: Stage) -> None:
    stage.upkeep.want(wanted("worker.1"))
    end = stage.now + 300
    while stage.now < end:
        stage.go(0.01)
        if stage.engine.started and stage.engine.started[-1].code is None:
            stage.engine.started[-1].end(1)
        stage.go(0.5)
    assert len(stage.engine.started) < 20


def test_a_new_release_is_tried_at_once_whatever_the_old_one_did(stage: Stage) -> None:
    stage.upkeep.want(wanted("worker.1"))
    for _ in range(3):
        stage.go(3)
        stage.engine.started[-1].end(1)
    stage.go()
    assert stage.states() == {"worker.1": "crashed"}
    assert stage.upkeep.is_settled()
    assert not stage.upkeep.is_as_wanted()
    stage.upkeep.want(wanted("worker.1", version=2))
    stage.go()
    assert stage.states() == {"worker.1": "up"}


def test_restart_tries_what_crashed_at_once(stage: Stage) -> None:
    stage.upkeep.want(wanted("worker.1"))
    for _ in range(3):
        stage.go(3)
        stage.engine.started[-1].end(1)
    stage.go()
    assert stage.upkeep.restart(named(["worker"])) == ()
    stage.go()
    assert stage.states() == {"worker.1": "up"}


def test_a_web_process_that_does_not_listen_gets_r10(stage: Stage) -> None:
    stage.engine.fresh = {"listens": (Address(host="127.0.0.1", port=5000),)}
    stage.upkeep.want(wanted("web.1"))
    stage.go(5.1)
    assert stage.engine.started[0].calls == ["begin", "kill", "remove", "forget"]
    assert stage.log.lines[1:5] == [
        "web.1: Error R10 (Boot timeout) -> Web process failed to bind to $PORT within"
        " 5 seconds of launch",
        "web.1: PORT is 5000; listening here: 127.0.0.1:5000 (only the container itself"
        " gets there: listen on 0.0.0.0)",
        "web.1: Process exited with status 137",
        "web.1: State changed from starting to crashed",
    ]
    assert stage.events[:2] == ["failed web.1", "crashed web.1"]


def test_who_ignores_sigterm_is_killed_when_its_time_is_over(stage: Stage) -> None:
    stage.engine.fresh = {"ignores_sigterm": True}
    stage.upkeep.want(wanted("worker.1"))
    stage.go()
    stage.upkeep.want(wanted())
    stage.go(2.9)
    assert stage.states() == {"worker.1": "stopping"}
    stage.go(0.2)
    assert stage.states() == {}
    assert stage.log.lines[2:] == [
        "worker.1: State changed from up to down",
        "worker.1: Stopping all processes with SIGTERM",
        "worker.1: Error R12 (Exit timeout) -> At least one process failed to exit within"
        " 3 seconds of SIGTERM",
        "worker.1: Stopping remaining processes with SIGKILL",
        "worker.1: Process exited with status 137",
    ]


def test_a_start_that_fails_is_tried_again_with_pauses(stage: Stage) -> None:
    stage.engine.fails = PortInUseError(5000)
    stage.upkeep.want(wanted("web.1"))
    stage.go()
    assert stage.states() == {"web.1": "crashed"}
    assert stage.fds.names == frozenset()
    assert "web.1: Start failed: Port 5000 is already in use" in stage.log.lines
    stage.engine.fails = None
    stage.go(1)
    assert stage.states() == {"web.1": "up"}


def test_a_successor_goes_on_where_its_predecessor_was(tmp_path: Path) -> None:
    fds = FakeFds()
    first = Stage(tmp_path, fds)
    first.engine.fresh = {"ignores_sigterm": True}
    first.upkeep.want(wanted("web.1", "worker.1", "worker.2"))
    first.go()
    first.engine.started[2].end(1)
    first.go()
    first.engine.started[3].end(1)
    first.go()
    first.upkeep.want(wanted("web.1", "worker.2"))
    first.go(1)
    assert first.states() == {"web.1": "up", "worker.1": "stopping", "worker.2": "up"}
    before = fds.names
    second = Stage(tmp_path, fds, now=first.now)
    second.upkeep.adopt()
    assert fds.names == before
    assert second.states() == first.states()
    assert set(second.engine.known) == set(first.upkeep.lives)
    second.upkeep.want(wanted("web.1", "worker.2"))
    second.go(1.9)
    assert second.states()["worker.1"] == "stopping"
    second.go(0.2)
    assert second.states() == {"web.1": "up", "worker.2": "up"}
    assert second.engine.started[0].calls == []
    second.engine.started[-1].end(1)
    second.go()
    assert second.states()["worker.2"] == "crashed"  # its crashes before are remembered
    second.close()
    first.upkeep.lives.clear()
    first.close()


def test_output_that_belongs_to_nothing_is_let_go(stage: Stage) -> None:
    import os

    stage.fds.store("out:web.9:ab", os.open(os.devnull, os.O_RDONLY))
    stage.fds.store("lock", os.open(os.devnull, os.O_RDONLY))
    stage.upkeep.adopt()
    assert stage.fds.names == {"lock"}


def test_the_load_balancer_is_told_before_a_container_is_stopped(stage: Stage) -> None:
    front = RecordingFront()
    checked: Front = front
    stage.upkeep.front = checked
    stage.upkeep.strategies = {ProcessType("web"): Rolling()}
    stage.upkeep.want(wanted("web.1", "web.2"))
    stage.go()
    assert front.served == [1, 2]
    stage.engine.fresh = {"ignores_sigterm": True}
    stage.upkeep.want(wanted("web.1", "web.2", version=2))
    stage.go(1)
    assert min(front.served[1:]) == 2  # never fewer than before
    assert stage.engine.published == [None] * 4


def test_who_has_ended_gets_no_requests_before_it_is_put_away(stage: Stage) -> None:
    told: list[tuple[int, bool]] = []

    class Front(RecordingFront):
        def serve(self, servers: Sequence[Server]) -> None:
            super().serve(servers)
            told.append((self.served[-1], "remove" in stage.engine.started[0].calls))

    stage.upkeep.front = Front()
    stage.upkeep.want(wanted("web.1", "web.2"))
    stage.go()
    told.clear()
    stage.engine.started[0].end(1)
    stage.go()
    assert told[0] == (1, False)


def test_without_a_load_balancer_the_first_web_container_gets_the_port(stage: Stage) -> None:
    stage.upkeep.want(wanted("web.1", "web.2", "worker.1"))
    stage.go()
    assert stage.engine.published == [5000, None, None]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["web.1", "web.2", "web.x.1"]),
        (["web"], ["web.1", "web.2"]),
        (["web.2"], ["web.2"]),
        (["web.x", "web.1"], ["web.1", "web.x.1"]),
    ],
)
def test_which_containers_words_mean(words: list[str], expected: list[str]) -> None:
    assert [x for x in ("web.1", "web.2", "web.x.1") if named(words)(x)] == expected
