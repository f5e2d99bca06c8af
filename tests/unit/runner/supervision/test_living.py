"""living: a container that was up is asked again and again, and ended when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.values import changed
from runner.health import Check, UpChecks
from runner.supervision.questions import Answer, Question
from tests.unit.runner.supervision.fakes import Stage
from tests.unit.runner.supervision.test_upkeep import RecordingFront, wanted

CHECK = Check(command="bin/alive", attempts=3, wait=5.0, initial_delay=20.0)


class Asked:
    """Answers at once; None could not be asked."""

    def __init__(self, code: int | None) -> None:
        self._code = code

    def answer(self, now: float) -> Answer | None:
        if self._code is None:
            return Answer(problem="state.db is damaged", was_asked=False)
        return Answer(code=self._code)

    def close(self) -> None: ...


@pytest.fixture
def codes() -> list[int | None]:
    """What comes next; then 0 for ever."""
    return []


@pytest.fixture
def times() -> list[float]:
    """When it was asked, after the start."""
    return []


@pytest.fixture
def stage(tmp_path: Path, codes: list[int | None], times: list[float]) -> Iterator[Stage]:
    def ask(key: str, check: Check, now: float) -> Question:
        assert (key, check.command) == (found.engine.started[-1].token.key, CHECK.command)
        times.append(now - 1000.0)
        return Asked(codes.pop(0) if codes else 0)

    found = Stage(tmp_path)
    found.upkeep.ask_inside = ask
    found.upkeep.up_checks = lambda *_: UpChecks(liveness=(CHECK,))
    found.upkeep.want(wanted("worker.1"))
    yield found
    found.close()


def test_it_is_asked_every_few_seconds_once_its_delay_is_over(
    stage: Stage, times: list[float]
) -> None:
    stage.go(31)
    assert [round(each) for each in times] == [20, 25, 30]
    assert stage.states() == {"worker.1": "up"}
    assert stage.upkeep.is_settled()


def test_nobody_looks_at_what_is_not_to_be_asked_yet(
    stage: Stage, codes: list[int | None], times: list[float]
) -> None:
    rare = changed(CHECK, initial_delay=3600.0, wait=3600.0)
    stage.upkeep.up_checks = lambda *_: UpChecks(liveness=(rare,))
    codes += [1, 1]
    stage.go(2 * 3600 + 1)  # in at most a thousand looks
    assert [round(each) for each in times] == [3600, 7200]


def test_no_app_is_asked_without_a_pause(stage: Stage, times: list[float]) -> None:
    rapid = changed(CHECK, wait=0.0)
    stage.upkeep.up_checks = lambda *_: UpChecks(liveness=(rapid,))
    stage.go(22.5)
    assert [round(each) for each in times] == [20, 21, 22]


def test_one_bad_answer_of_three_is_forgiven(stage: Stage, codes: list[int | None]) -> None:
    codes += [0, 1, 1, 0, 1, 1]
    stage.go(120)
    assert len(stage.engine.started) == 1


def test_after_so_many_it_is_told_to_stop_and_another_one_starts(
    stage: Stage, codes: list[int | None]
) -> None:
    codes += [1, 1, 1]
    stage.go(32)
    first, second = stage.engine.started
    assert first.calls[:3] == ["begin", "terminate", "remove"]
    assert stage.states() == {"worker.1": "up"}
    assert "worker.1: Liveness check failed: it ended `bin/alive` with status 1" in stage.log.lines
    assert "worker.1: State changed from up to crashed" in stage.log.lines
    assert stage.blamed == [
        "v1 worker.1 was not alive any more: it ended `bin/alive` with status 1"
    ]
    assert second.calls == ["begin"]


def test_what_does_not_stop_is_killed(stage: Stage, codes: list[int | None]) -> None:
    codes += [1, 1, 1]
    stage.engine.fresh = {"ignores_sigterm": True}
    stage.go(40)
    assert stage.engine.started[0].calls[:4] == ["begin", "terminate", "kill", "remove"]


def test_a_successor_asks_on(stage: Stage, tmp_path: Path, times: list[float]) -> None:
    stage.go(1)
    successor = Stage(tmp_path, fds=stage.fds, now=1030.0)
    successor.upkeep.ask_inside = stage.upkeep.ask_inside
    successor.upkeep.adopt()
    successor.upkeep.up_checks = lambda *_: None  # what is wanted cannot be read yet
    successor.upkeep.want(wanted("worker.1"))
    successor.go(1)
    assert times == []
    successor.upkeep.up_checks = lambda *_: UpChecks(liveness=(CHECK,))
    successor.upkeep.want(wanted("worker.1"))
    successor.go(1)
    assert times == [31.0]
    successor.close()


def test_a_container_is_asked_what_its_own_release_says(stage: Stage, times: list[float]) -> None:
    stage.go(1)
    stage.upkeep.up_checks = lambda *_: None  # another one is being brought up
    stage.upkeep.want(wanted("worker.1"))
    stage.go(31)
    assert [round(each) for each in times] == [20, 25, 30]


def test_what_is_not_alive_gets_no_requests_while_it_stops(stage: Stage) -> None:
    front = RecordingFront()
    stage.upkeep.front = front
    stage.engine.fresh = {"ignores_sigterm": True}
    stage.upkeep.ask_inside = lambda *_: Asked(1)
    stage.upkeep.want(wanted("web.1"))
    stage.go(31)
    assert stage.states() == {"web.1": "up"}
    assert front.served[-2:] == [1, 0]


def test_what_could_not_be_asked_is_told_once_and_stops_nothing(
    stage: Stage, codes: list[int | None], times: list[float]
) -> None:
    codes += [1, 1, None, None, None, 1]
    stage.go(44)
    assert [round(each) for each in times] == [20, 25, 30, 35, 40]
    assert len(stage.engine.started) == 1
    stage.go(4)
    assert len(stage.engine.started) == 2, "that was the third answer"
    assert [each for each in stage.log.lines if "could not" in each] == [
        "worker.1: Liveness check: it could not be asked `bin/alive`: state.db is damaged"
    ]


READY = Check(command="bin/ready", attempts=2, wait=5.0)


@pytest.fixture
def front(stage: Stage, codes: list[int | None]) -> RecordingFront:
    """Of two web containers; ``codes`` are what web.2 answers, web.1 always ends with 0."""

    def ask(key: str, check: Check, now: float) -> Question:
        is_second = key.startswith("web.2")
        return Asked(codes.pop(0) if codes and is_second else 0)

    found = RecordingFront()
    stage.upkeep.front = found
    stage.upkeep.ask_inside = ask
    stage.upkeep.up_checks = lambda *_: UpChecks(readiness=(READY,))
    stage.upkeep.want(wanted("web.1", "web.2"))
    return found


def ready(stage: Stage) -> dict[str, object]:
    return {str(each["name"]): each["ready"] for each in stage.upkeep.snapshot()}


def test_what_is_not_ready_gets_no_requests_until_it_is_and_goes_on(
    stage: Stage, front: RecordingFront, codes: list[int | None]
) -> None:
    stage.go(1)
    codes += [0, 1, 1, 1, 1, 1, 0]
    assert front.served == [1, 2]
    stage.go(16)
    assert front.served == [1, 2, 1]
    assert stage.states() == {"web.1": "up", "web.2": "up"}
    assert ready(stage) == {"web.1": True, "web.2": False}
    stage.go(20)
    assert front.served == [1, 2, 1, 2]
    assert ready(stage) == {"web.1": True, "web.2": True}
    assert [line for line in stage.log.lines if "Readiness" in line] == [
        "web.2: Readiness check failed: it ended `bin/ready` with status 1."
        " It gets no requests until it passes",
        "web.2: Readiness check passed: it gets requests again",
    ]
    assert len(stage.engine.started) == 2


def test_one_bad_answer_of_two_is_forgiven_to_who_is_ready(
    stage: Stage, front: RecordingFront, codes: list[int | None]
) -> None:
    stage.go(1)
    codes += [1, 0, 1, 0]
    stage.go(60)
    assert front.served == [1, 2]


def test_also_the_last_one_that_is_not_ready_gets_no_requests(
    stage: Stage, front: RecordingFront
) -> None:
    stage.go(1)
    stage.upkeep.ask_inside = lambda *_: Asked(1)
    stage.go(30)
    assert front.served[-1] == 0
    assert stage.states() == {"web.1": "up", "web.2": "up"}


def test_it_comes_up_when_it_is_ready_for_the_first_time(
    stage: Stage, front: RecordingFront, codes: list[int | None]
) -> None:
    codes += [1] * 3  # more than its attempts
    stage.upkeep.settings = changed(stage.upkeep.settings, boot_timeout=60.0)
    stage.go(9)
    assert stage.states() == {"web.1": "up", "web.2": "starting"}
    stage.go(7)
    assert stage.states() == {"web.1": "up", "web.2": "up"}
    assert front.served == [1, 2]


def test_what_is_never_ready_does_not_come_up(
    stage: Stage, front: RecordingFront, codes: list[int | None]
) -> None:
    codes += [1] * 20
    stage.go(6)
    assert stage.blamed == ["v1 web.2 ended `bin/ready` with status 1, within 5 seconds"]


def test_a_successor_sends_no_requests_to_what_was_not_ready(
    stage: Stage, front: RecordingFront, tmp_path: Path, codes: list[int | None]
) -> None:
    stage.go(1)
    codes += [1, 1]
    stage.go(12)
    successor = Stage(tmp_path, fds=stage.fds, now=1030.0)
    successor.upkeep.front = after = RecordingFront()
    successor.upkeep.ask_inside = lambda *_: Asked(0)
    successor.upkeep.up_checks = stage.upkeep.up_checks
    successor.upkeep.adopt()
    assert after.served == [1]
    successor.upkeep.want(wanted("web.1", "web.2"))
    successor.go(1)
    assert after.served == [1, 2]
    successor.close()


def test_liveness_and_readiness_are_asked_beside_each_other(stage: Stage) -> None:
    dead = changed(CHECK, initial_delay=0.0, wait=3.0)
    stage.upkeep.up_checks = lambda *_: UpChecks(liveness=(dead,), readiness=(READY,))
    asked: list[str] = []

    def ask(key: str, check: Check, now: float) -> Question:
        asked.append(check.command)
        return Asked(int(check is not READY and check.command == "bin/alive"))

    stage.upkeep.ask_inside = ask
    stage.upkeep.want(wanted("web.1"))
    stage.go(7)
    assert stage.engine.started[0].calls[:2] == ["begin", "terminate"]
    assert {"bin/alive", "bin/ready"} == set(asked)
    assert "web.1: Liveness check failed: it ended `bin/alive` with status 1" in stage.log.lines
