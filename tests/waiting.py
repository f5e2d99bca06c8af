"""Waiting for what will come, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""seconds; only what hangs takes them"""


def until(holds: Callable[[], object], explain: Callable[[], str] = lambda: "") -> None:
    """Wait until ``holds()`` is true."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(explain() or holds)
        time.sleep(0.02)
