"""Scratch directories go, those of killed transfers too."""

from __future__ import annotations

import os
import time
from pathlib import Path

from slugc.transfer.scratch import opened_scratch
from tests.unit.slugc.transfer.made import names


def test_scratch_is_gone_at_the_end_and_so_is_what_was_forgotten(tmp_path: Path) -> None:
    for name, age in (("scratch-old", 90_000), ("scratch-new", 60), ("notes", 90_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with opened_scratch(tmp_path) as scratch:
        (scratch / "file").write_text("x")
        assert scratch.name in names(tmp_path)
    assert names(tmp_path) == ["notes", "scratch-new"]
