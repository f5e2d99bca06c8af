"""What the fault tests start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.bad_sources import nothing_building
from tests.integration.build_support import Outcome, make_app
from tests.places import open_place


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A temporary directory that the unprivileged user of Slugkit reaches, too."""
    with open_place() as place:
        yield place


@pytest.fixture
def app(open_dir: Path) -> Path:
    """A source of one file."""
    return make_app(open_dir / "app")


@pytest.fixture
def build(open_dir: Path) -> Callable[..., Outcome]:
    """`slugc build` with a buildpack that does nothing."""
    return nothing_building(open_dir)
