"""The stored filter: made once, and those of other versions go in the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.engines.embedded.stored_filter import filter_program


def test_it_is_made_once_and_few_of_other_versions_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in range(12):
        old = tmp_path / f"seccomp-of-version-{age}"
        old.touch()
        os.utime(old, (1_000 - age, 1_000 - age))
    (tmp_path / "overlay-fe01").touch()
    made = filter_program(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert {name for name in kept if "version" in name} == {
        f"seccomp-of-version-{age}" for age in range(7)
    }
    assert "overlay-fe01" in kept
    assert len(kept) == 9
    monkeypatch.setattr("buildpack.support.seccomp.filter_program", pytest.fail)
    assert filter_program(tmp_path) == made
