"""How often a place has crashed: for the pauses, and for who looks."""

from __future__ import annotations

from pathlib import Path

from runner.policy import STEADY
from runner.supervision.crashes import CrashMemory
from runner.supervision.records import Records


class Times:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def totals(memory: CrashMemory) -> tuple[int, int]:
    """Crashes in a row, and all of them."""
    known = memory.of("web.1")
    return (0, 0) if known is None else (known.count, known.total)


def test_steady_times_end_a_row_of_crashes_and_the_total_goes_on(tmp_path: Path) -> None:
    clock = Times()
    memory = CrashMemory(Records(tmp_path), clock=clock)
    memory.note("web.1", 3, began=999.0)
    memory.note("web.1", 3, began=999.0)
    assert totals(memory) == (2, 2)
    clock.now += STEADY
    memory.note("web.1", 3, began=1000.0)
    assert totals(memory) == (1, 3)


def test_a_new_release_and_a_restart_by_hand_begin_at_nothing(tmp_path: Path) -> None:
    memory = CrashMemory(Records(tmp_path), clock=Times())
    memory.note("web.1", 3, began=999.0)
    memory.note("web.1", 4, began=999.0)
    assert totals(memory) == (1, 1)
    memory.forget(["web.1"])
    assert totals(memory) == (0, 0)


def test_a_successor_knows_both(tmp_path: Path) -> None:
    memory = CrashMemory(Records(tmp_path), clock=Times())
    memory.note("web.1", 3, began=999.0)
    memory.note("web.1", 3, began=999.0)
    successor = CrashMemory(Records(tmp_path), clock=Times())
    successor.read()
    assert totals(successor) == (2, 2)
