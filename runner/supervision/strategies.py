"""How old containers are replaced by new ones, by process type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import assert_never

from runner.formation import WEB
from runner.supervision.reconcile import AllAtOnce, Rolling, StopThenStart, Strategy
from slugc.procfile import ProcessType


class StrategyName(StrEnum):
    """The words of ``--strategy``."""

    ROLLING = "rolling"
    ALL_AT_ONCE = "all-at-once"
    ONE_BY_ONE = "one-by-one"


def make_strategies(
    name: StrategyName, types: Iterable[ProcessType], overlap: Mapping[str, bool]
) -> Mapping[ProcessType, Strategy]:
    """The strategy of each type: that of the app where old and new may run at the same time.

    Where nothing is said they may for web, and for no other: a worker that takes over from
    itself may do something twice.
    """
    return {
        each: _overlapping(name) if overlap.get(each, each == WEB) else StopThenStart()
        for each in types
    }


def _overlapping(name: StrategyName) -> Strategy:
    match name:
        case StrategyName.ROLLING:
            return Rolling()
        case StrategyName.ALL_AT_ONCE:
            return AllAtOnce()
        case StrategyName.ONE_BY_ONE:
            return Rolling(at_once=1)
    assert_never(name)
