"""reconcile: what is done next follows from what is wanted and what runs, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from runner.slot import ContainerState
from runner.supervision.reconcile import (
    Action,
    AllAtOnce,
    Place,
    Rolling,
    Running,
    Start,
    Stop,
    Strategy,
    decide,
)
from slugc.procfile import ProcessType

UP, STARTING, STOPPING = ContainerState.UP, ContainerState.STARTING, ContainerState.STOPPING
ROLLING: Mapping[ProcessType, Strategy] = {ProcessType("web"): Rolling(at_once=1)}


def place(name: str, version: int = 1, size: str = "standard-1x") -> Place:
    process_type, _, ordinal = name.partition(".")
    return Place(
        process_type=ProcessType(process_type), ordinal=int(ordinal), version=version, size=size
    )


def running(name: str, version: int = 1, state: ContainerState = UP, **more: object) -> Running:
    process_type, _, ordinal = name.partition(".")
    return Running(
        key=f"{name}-v{version}",
        process_type=ProcessType(process_type),
        ordinal=int(ordinal),
        version=version,
        size="standard-1x",
        state=state,
        **more,  # type: ignore[arg-type]  # its own fields
    )


def shown(actions: Sequence[Action]) -> list[str]:
    return [
        f"start {each.place.name}"
        if isinstance(each, Start)
        else f"stop {each.key}{'' if each.is_replaced else ' for good'}"
        for each in actions
    ]


def test_nothing_is_done_when_all_is_as_wanted() -> None:
    assert decide([place("web.1")], [running("web.1")], {}) == ()
    assert decide([place("web.1")], [running("web.1", state=STARTING)], ROLLING) == ()


def test_what_is_missing_is_started_and_gaps_are_filled() -> None:
    wanted = [place("web.1"), place("web.2"), place("web.3")]
    assert shown(decide(wanted, [running("web.1"), running("web.3")], {})) == ["start web.2"]


def test_what_is_too_much_is_stopped_once() -> None:
    there = [running("web.1"), running("web.2"), running("worker.1", state=STOPPING)]
    assert shown(decide([place("web.1")], there, {})) == ["stop web.2-v1 for good"]


def test_without_a_strategy_the_old_container_ends_before_the_new_one_starts() -> None:
    wanted = [place("worker.1", 2)]
    assert shown(decide(wanted, [running("worker.1")], {})) == ["stop worker.1-v1"]
    assert shown(decide(wanted, [running("worker.1", state=STOPPING)], {})) == []
    assert shown(decide(wanted, [], {})) == ["start worker.1"]


def test_rolling_starts_the_new_container_and_stops_the_old_one_when_that_is_up() -> None:
    wanted = [place("web.1", 2), place("web.2", 2)]
    old = [running("web.1"), running("web.2")]
    assert shown(decide(wanted, old, ROLLING)) == ["start web.1"]
    starting = [*old, running("web.1", 2, STARTING)]
    assert shown(decide(wanted, starting, ROLLING)) == []
    up = [*old, running("web.1", 2, UP)]
    assert shown(decide(wanted, up, ROLLING)) == ["stop web.1-v1"]
    ending = [running("web.1", 1, STOPPING), running("web.2"), running("web.1", 2, UP)]
    assert shown(decide(wanted, ending, ROLLING)) == []
    ended = [running("web.2"), running("web.1", 2, UP)]
    assert shown(decide(wanted, ended, ROLLING)) == ["start web.2"]
    later = [running("web.1", state=STOPPING), running("web.2"), running("web.1", 2)]
    assert shown(decide(wanted, later, ROLLING)) == []


def test_rolling_keeps_the_old_containers_while_new_ones_crash() -> None:
    wanted = [place("web.1", 2), place("web.2", 2)]
    assert shown(decide(wanted, [running("web.1"), running("web.2")], ROLLING)) == ["start web.1"]


def test_rolling_starts_all_that_is_missing_at_once() -> None:
    wanted = [place("web.1"), place("web.2"), place("web.3")]
    started = shown(decide(wanted, [], ROLLING))
    assert started == ["start web.1", "start web.2", "start web.3"]


@pytest.mark.parametrize("strategies", [{}, ROLLING])
def test_a_container_that_shall_restart_is_replaced(
    strategies: Mapping[ProcessType, Strategy],
) -> None:
    actions = shown(decide([place("web.1")], [running("web.1", is_outdated=True)], strategies))
    assert actions == (["start web.1"] if strategies else ["stop web.1-v1"])


def test_another_size_is_another_container() -> None:
    wanted = [place("worker.1", size="standard-2x")]
    assert shown(decide(wanted, [running("worker.1")], {})) == ["stop worker.1-v1"]


@pytest.mark.parametrize("strategies", [{}, ROLLING])
@pytest.mark.parametrize("have", range(4))
@pytest.mark.parametrize("want", range(4))
def test_every_way_leads_to_what_is_wanted_and_never_past_it(
    have: int, want: int, strategies: Mapping[ProcessType, Strategy]
) -> None:
    """Acts out the decisions: each start comes up, each stop ends, in the next round."""
    wanted = [place(f"web.{n}", 2) for n in range(1, want + 1)]
    there = [running(f"web.{n}") for n in range(1, have + 1)]
    for _ in range(40):
        actions = decide(wanted, there, strategies)
        if not actions and all(each.state is UP for each in there):
            break
        stopped = {each.key for each in actions if isinstance(each, Stop)}
        there = [
            running(f"web.{x.ordinal}", x.version, STOPPING if x.key in stopped else UP)
            for x in there
            if x.state is not STOPPING
        ]
        there += [
            running(each.place.name, 2, STARTING) for each in actions if isinstance(each, Start)
        ]
        staying = [x for x in there if x.is_staying]
        places = [(x.ordinal, x.version) for x in staying]
        assert len(places) == len(set(places))
    assert sorted((x.ordinal, x.version) for x in there) == [(n, 2) for n in range(1, want + 1)]


def many(count: int, version: int) -> list[Place]:
    return [place(f"web.{n}", version) for n in range(1, count + 1)]


@pytest.mark.parametrize(("count", "started"), [(1, 1), (2, 2), (3, 2), (10, 3), (50, 13)])
def test_rolling_replaces_a_quarter_at_a_time_and_two_at_least(count: int, started: int) -> None:
    old = [running(f"web.{n}") for n in range(1, count + 1)]
    actions = decide(many(count, 2), old, {ProcessType("web"): Rolling()})
    assert shown(actions) == [f"start web.{n}" for n in range(1, started + 1)]


def test_rolling_fills_empty_places_without_waiting() -> None:
    actions = decide(many(4, 2), [running("web.1")], {ProcessType("web"): Rolling(at_once=1)})
    assert shown(actions) == [f"start web.{n}" for n in range(1, 5)]


def test_all_at_once_stops_nothing_before_all_are_up() -> None:
    strategies: Mapping[ProcessType, Strategy] = {ProcessType("web"): AllAtOnce()}
    old = [running("web.1"), running("web.2")]
    assert shown(decide(many(2, 2), old, strategies)) == ["start web.1", "start web.2"]
    half = [*old, running("web.1", 2), running("web.2", 2, STARTING)]
    assert shown(decide(many(2, 2), half, strategies)) == []
    up = [*old, running("web.1", 2), running("web.2", 2)]
    assert shown(decide(many(2, 2), up, strategies)) == ["stop web.1-v1", "stop web.2-v1"]
    # Back again: the old ones never stopped.
    assert shown(decide(many(2, 1), half, strategies)) == ["stop web.1-v2", "stop web.2-v2"]


def test_until_the_first_type_is_up_the_others_are_left_alone() -> None:
    wanted = [place("web.1", 2), place("worker.1", 2)]
    old = [running("web.1"), running("worker.1"), running("clock.1")]
    web = ProcessType("web")
    assert shown(decide(wanted, old, ROLLING, first=web)) == [
        "stop clock.1-v1 for good",
        "start web.1",
    ]
    up = [running("web.1", 2), running("worker.1")]
    assert shown(decide(wanted, up, ROLLING, first=web)) == ["stop worker.1-v1"]
    workers = [place("worker.1", 2)]
    assert shown(decide(workers, [running("worker.1")], {}, first=web)) == ["stop worker.1-v1"]
