"""leaving: no new requests, then the end of those under way, and only then the end itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.values import changed
from runner.supervision.leaving import SETTLING
from runner.supervision.reconcile import Rolling
from runner.supervision.wanted import Wanted
from slugc.procfile import ProcessType
from tests.unit.runner.supervision.fakes import FakeFds, Stage
from tests.unit.runner.supervision.test_upkeep import SETTINGS, RecordingFront, wanted

DRAINING = changed(SETTINGS, drain_timeout=10.0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    found.upkeep.front = RecordingFront()
    found.upkeep.strategies = {ProcessType("web"): Rolling()}
    yield found
    found.close()


def drained(*names: str, version: int = 1) -> Wanted:
    return changed(wanted(*names, version=version), settings=DRAINING)


def test_a_container_that_is_replaced_is_told_to_stop_when_its_requests_are_done(
    stage: Stage,
) -> None:
    stage.upkeep.want(drained("web.1"))
    stage.go()
    old = stage.engine.started[0]
    old.open_connections = 1
    stage.upkeep.want(drained("web.1", version=2))
    stage.go(5)
    assert old.calls == ["begin"]
    front = stage.upkeep.front
    assert isinstance(front, RecordingFront)
    assert front.served[-1] == 1
    old.open_connections = 0
    stage.go(0.2)
    assert old.calls == ["begin", "terminate", "remove", "forget"]
    assert stage.upkeep.is_settled()


def test_nobody_is_told_to_stop_before_the_load_balancer_has_settled(stage: Stage) -> None:
    stage.upkeep.want(drained("web.1"))
    stage.go()
    stage.upkeep.want(drained())
    stage.go(SETTLING - 0.1)
    assert stage.engine.started[0].calls == ["begin"]
    stage.go(0.2)
    assert stage.engine.started[0].calls == ["begin", "terminate", "remove", "forget"]


def test_requests_that_take_too_long_are_cut_off(stage: Stage) -> None:
    stage.upkeep.want(drained("web.1"))
    stage.go()
    stage.engine.started[0].open_connections = 2
    stage.upkeep.want(drained())
    stage.go(9.9)
    assert stage.engine.started[0].calls == ["begin"]
    stage.go(0.2)
    assert stage.engine.started[0].calls == ["begin", "terminate", "remove", "forget"]
    assert "web.1: Drain timeout -> 2 connections still open after 10 seconds" in stage.log.lines


def test_who_has_no_port_or_never_answered_is_not_drained(stage: Stage) -> None:
    stage.upkeep.want(drained("worker.1"))
    stage.go()
    stage.engine.fresh = {"listens": ()}
    stage.upkeep.want(drained("web.1"))
    stage.go(1)
    stage.upkeep.want(drained())
    stage.go()
    assert [each.calls for each in stage.engine.started] == [
        ["begin", "terminate", "remove", "forget"]
    ] * 2


def test_a_successor_drains_on(tmp_path: Path, stage: Stage) -> None:
    stage.upkeep.want(drained("web.1"))
    stage.go()
    stage.engine.started[0].open_connections = 1
    stage.upkeep.want(drained())
    stage.go(3)
    stage.selector.close()
    heir = Stage(tmp_path, FakeFds(stage.fds.kept), now=stage.now)
    heir.engine.fresh = {"open_connections": 1}
    heir.upkeep.settings = DRAINING
    heir.upkeep.adopt()
    heir.go(6)
    assert heir.engine.started[0].calls == []
    heir.go(1.2)
    assert heir.engine.started[0].calls == ["terminate", "remove", "forget"]
    heir.close()
    stage.upkeep.lives.clear()
    stage.fds.kept.clear()


def test_who_waits_for_nobody_does_not_drain(stage: Stage) -> None:
    stage.upkeep.want(drained("web.1"))
    stage.go()
    stage.engine.started[0].open_connections = 1
    stage.upkeep.want(drained())
    stage.go(1)
    stage.upkeep.kill_all()
    stage.go()
    assert stage.engine.started[0].calls == ["begin", "kill", "remove", "forget"]
