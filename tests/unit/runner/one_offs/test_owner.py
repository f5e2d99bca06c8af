"""Who stays with a detached one-off: its time, its end, and what the log says of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from runner.logbook.app_log import AppLog
from runner.logbook.reader import Filter, LogReader
from runner.one_offs.owner import Detached, Stay
from runner.signals import StopSignals
from tests.unit.runner.fakes import Behaviour, FakeContainer
from tests.unit.runner.samples import a_spec


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    os.close(ends[0])


class Clock:
    """An hour later at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 3600
        return self.now


def stayed(
    root: Path,
    pipe: tuple[int, int],
    behaviour: Behaviour,
    *,
    time_limit: float | None = None,
    stop: bool = False,
) -> tuple[int, list[str]]:
    container = FakeContainer(a_spec("run.1"), behaviour, pipe[1], None)
    request = SimpleNamespace(spec=container.spec, time_limit=time_limit, stop_timeout=3600.0)
    with StopSignals() as signals, AppLog(root) as log:
        signals.hold()
        log.open_container("run.1-x", "run.1", pipe[0])
        if stop:
            os.kill(os.getpid(), signal.SIGTERM)
        elif behaviour.exits is not None:
            container.end(behaviour.exits, behaviour.output)
        stay = Stay(
            detached=cast("Detached", request),
            container=container,
            log=log,
            signals=signals,
            clock=Clock(),
        )
        code = stay.until_its_end("run.1-x", pipe[0])
        container.remove()
        log.close_container("run.1-x")
    reader = LogReader(root, Filter().wants)
    reader.start_at_last(100)
    return code, [line.text for line in reader.lines()]


def test_what_it_wrote_is_kept_to_the_last_byte(tmp_path: Path, pipe: tuple[int, int]) -> None:
    behaviour = Behaviour(output=b"one\ntwo", exits=3)
    assert stayed(tmp_path, pipe, behaviour) == (3, ["one", "two"])


def test_a_limit_that_is_over_ends_it(tmp_path: Path, pipe: tuple[int, int]) -> None:
    code, said = stayed(tmp_path, pipe, Behaviour(), time_limit=60.0)
    assert code == 143
    assert said == ["The time limit of 60 seconds is over", "Stopping all processes with SIGTERM"]


def test_a_deaf_one_is_killed_after_its_time_to_stop(tmp_path: Path, pipe: tuple[int, int]) -> None:
    code, said = stayed(tmp_path, pipe, Behaviour(on_terminate=None), stop=True)
    assert code == 137
    assert said == [
        "Stopping all processes with SIGTERM",
        "Error R12 (Exit timeout) -> At least one process failed to exit within 3600 seconds of"
        " SIGTERM",
        "Stopping remaining processes with SIGKILL",
    ]


def test_memory_is_named_where_it_was_the_reason(tmp_path: Path, pipe: tuple[int, int]) -> None:
    _, said = stayed(tmp_path, pipe, Behaviour(exits=137, oom=True))
    assert said == ["Error R15 (Memory quota vastly exceeded) -> killed at the limit"]
