"""A log whose clock stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.logbook.app_log import AppLog
from tests.unit.runner.logbook.containers import NOW


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(directory: Path) -> Iterator[AppLog]:
    with AppLog(directory, clock=lambda: NOW) as opened:
        yield opened
