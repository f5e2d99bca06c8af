"""A test that hangs ends, fails, and says where it was."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest

LONGEST = 600
"""seconds, for a part of one test: ten times what the longest takes"""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def end(*_: object) -> None:
        pytest.fail(f"It took longer than {LONGEST} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
