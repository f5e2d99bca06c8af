"""Where no control group can be had, the supervisor itself ends what is far above its quota."""

from __future__ import annotations

from unittest.mock import patch

from runner.metrics.usage import Usage
from tests.unit.runner.metrics.test_gauges import LARGER, MIB, Container, Launched, Living, Stage


def usage(megabytes: int) -> Usage:
    memory = megabytes * MIB
    return Usage(memory=memory, rss=memory, cache=0, swap=0, cpu_seconds=0, processes=3)


def stage_at(megabytes: int, threads: int = 3) -> tuple[Stage, Container, list[str]]:
    container = Container(None, Launched(init_pid=1))
    stage = Stage(Living(container))
    with (
        patch("runner.metrics.watch.read_at_most", return_value=megabytes * MIB),
        patch("runner.metrics.watch.read_processes", return_value=usage(megabytes)),
        patch("runner.metrics.watch.count_threads", return_value=threads),
    ):
        said = stage.go(5)
    return stage, container, said


def test_above_the_quota_it_is_r14() -> None:
    _, container, said = stage_at(700)
    assert said[-1] == "web.1: Error R14 (Memory quota exceeded)"
    assert container.kills == 0


def test_vastly_above_it_is_r15_and_killed() -> None:
    _, container, said = stage_at(1100)
    assert said == [
        "web.1: Process running mem=1100M(214.8%)",
        f"web.1: Error R15 (Memory quota vastly exceeded) -> stopped at 1024M; {LARGER}",
    ]
    assert container.kills == 1


def test_as_many_processes_as_it_may_have_is_said() -> None:
    _, _, said = stage_at(10, threads=256)
    assert said == [
        "web.1: Process limit reached (256 processes and threads) -> further ones are refused;"
        f" {LARGER}"
    ]
