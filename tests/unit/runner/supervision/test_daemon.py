"""daemon: a supervisor of an app that is no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.supervision.daemon import main


def test_a_supervisor_whose_app_was_deleted_while_nobody_looked_means_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "gone"))
    assert main(["1", "--keeper", "-1"]) == 0, "else its keeper would start one after the other"
    assert not (tmp_path / "gone").exists()
