"""What several unit tests start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import open_place


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A temporary directory that the unprivileged user of Slugkit reaches, too.

    pytest's own is for the eyes of the user who runs it alone.
    """
    with open_place() as path:
        yield path
