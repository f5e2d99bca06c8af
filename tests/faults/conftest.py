"""What the fault tests start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import open_place


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A temporary directory that the unprivileged user of Slugkit reaches, too."""
    with open_place() as place:
        yield place
