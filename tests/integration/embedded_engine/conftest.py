"""A data directory and a running engine of whoever runs the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.embedded.engine import EmbeddedEngine
from slugc.privileges import run_identity
from tests.integration import embedded_support as support


@pytest.fixture
def home() -> Iterator[Path]:
    with support.home_for(run_identity().uid) as path:
        yield path


@pytest.fixture
def engine(home: Path) -> Iterator[EmbeddedEngine]:
    with support.make_engine(home) as engine:
        yield engine
