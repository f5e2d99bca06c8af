"""One counter for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.runner.deploys.counter import Counter, opened_counter

MEMORY = "/dev/shm"


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    # Started by root, layers are unpacked by a user who must get through to here. In memory where
    # that is possible: most of a deploy is waiting for the disk.
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="slugkit-test-", dir=memory) as name:
        Path(name).chmod(0o755)
        with opened_counter(Path(name), monkeypatch) as opened:
            yield opened
