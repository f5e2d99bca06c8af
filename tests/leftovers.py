"""What tests have left on this machine outside of their files: processes, and what is mounted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 20.0
"""seconds: what was told to end may still be at it"""


def leftovers(scratch: Path) -> list[str]:
    """What names this directory of all tests, once everything that is about to end has ended."""
    deadline = time.monotonic() + PATIENCE
    while (found := [*processes(scratch), *mounts(scratch)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def processes(scratch: Path) -> Iterator[str]:
    """Those that name it: on their command line, in their environment, as their directory."""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            line = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
            environment = (process / "environ").read_text(errors="replace")
            directory = str((process / "cwd").readlink())
        except OSError:  # it has ended, or is another user's
            continue
        if str(scratch) in line + environment + directory:
            yield f"process {process.name}, {line[:200]}"


def mounts(scratch: Path) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if str(scratch) in line:
            yield f"mount {line}"
