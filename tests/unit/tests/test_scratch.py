"""Temporary directories of runs that were killed go with the next run; those of others stay."""

from __future__ import annotations

import os
from pathlib import Path

from tests.scratch import hold, remove_dead


def test_what_nobody_holds_any_more_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead, live, begun, other = (
        tmp_path / f"slugkit-{x}" for x in ("tests-a", "tests-b", "tests-c", "d")
    )
    for each in (dead, live, begun, other):
        (each / "sub").mkdir(parents=True)
    os.close(hold(dead))
    os.close(hold(other))
    lock = hold(live)
    remove_dead(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted((live, begun, other))
    os.close(lock)
    remove_dead(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted((begun, other))
