"""What a process that entered a container consists of: itself, its children, its session."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from runner.engines.embedded.processes import PROC, descendants


def remains(pid: int, proc: Path = PROC) -> set[int]:
    """All processes that came of ``pid``, but those that began a session of their own.

    Also when it has ended itself: as long as one of its session lives, no other process or
    session gets its number.
    """
    found = {other for other in _numbers(proc) if _session(proc / str(other)) == pid}
    return found | (descendants(pid, proc) if pid in found else set())


def end_remains(pid: int, number: signal.Signals) -> None:
    """Send a signal to each."""
    for each in remains(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)


def _numbers(proc: Path) -> list[int]:
    return [int(path.name) for path in proc.iterdir() if path.name.isdigit()]


def _session(process: Path) -> int | None:
    try:
        # The name stands in parentheses and may hold spaces and parentheses itself.
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[3])
    except (FileNotFoundError, ProcessLookupError):
        return None
