"""Usage of single processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat after the name, which stands in parentheses: proc(5) less three.
_STATE, _TIMES, _THREADS = 0, slice(11, 15), 17


def cpu_seconds(pids: Iterable[int], proc: Path = PROC) -> float:
    """Of these processes, and of those children of theirs that have ended and were waited for."""
    return sum(_ticks(_stat(pid, proc)) for pid in pids) * _TICK


def count_running(tids: Iterable[int], proc: Path = PROC) -> int:
    """How many of these threads run, or wait for nothing but a processor."""
    return sum(_stat(tid, proc)[_STATE : _STATE + 1] == [b"R"] for tid in tids)


def count_threads(pids: Iterable[int], proc: Path = PROC) -> int:
    return sum(int(fields[_THREADS]) for pid in pids if (fields := _stat(pid, proc)))


def threads_in(pids: Iterable[int], proc: Path = PROC) -> list[int]:
    """The number of each thread of these processes."""
    found: list[int] = []
    for pid in pids:
        try:
            found += (int(name) for name in os.listdir(proc / str(pid) / "task"))  # noqa: PTH208  # names are enough
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _ticks(fields: list[bytes]) -> int:
    return sum(int(field) for field in fields[_TIMES])


def _stat(pid: int, proc: Path) -> list[bytes]:
    """Nothing for a process that has ended."""
    try:
        text = (proc / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(b")")[2].split()


def resident(pid: int, proc: Path = PROC) -> tuple[int, int, int]:
    """Bytes of its own memory, of files it has mapped, and in swap; memory that processes share
    is divided among them, where we may know."""
    try:
        return _proportional((proc / str(pid) / "smaps_rollup").read_text())
    except PermissionError:
        return _whole((proc / str(pid) / "status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0, 0


def at_most(pid: int, proc: Path = PROC) -> int:
    """A bound for its memory that is quick to read: what it shares counts as its own."""
    try:
        pages = (proc / str(pid) / "statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(pages[1]) - int(pages[2])) * _PAGE


def _proportional(text: str) -> tuple[int, int, int]:
    found = _kilobytes(text)
    own = found.get("Pss_Anon", 0) + found.get("Pss_Shmem", 0)
    return own, found.get("Pss_File", 0), found.get("SwapPss", 0)


def _whole(text: str) -> tuple[int, int, int]:
    found = _kilobytes(text)
    own = found.get("RssAnon", 0) + found.get("RssShmem", 0)
    return own, found.get("RssFile", 0), found.get("VmSwap", 0)


def _kilobytes(text: str) -> dict[str, int]:
    """``Name:   12 kB`` lines, in bytes."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * 1024
    return found
