"""What several of the slug compiler's tests start from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A temporary directory that the unprivileged user of Slugkit reaches, too.

    pytest's own is for the eyes of the user who runs it alone.
    """
    with tempfile.TemporaryDirectory(prefix="slugkit-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
