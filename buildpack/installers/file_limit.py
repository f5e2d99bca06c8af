"""How large a file uv may write: an archive of a few megabytes may hold any number of zeros."""

from __future__ import annotations

import shutil

from buildpack.support.command import Command
from buildpack.support.values import changed

LARGEST_FILE = 4 * 1024**3
"""Bytes. The largest file of any wheel we know has half of that (PyTorch's for graphics cards)."""

STOPPED = frozenset({-25, 153})
"""How a program ends that writes past it (SIGXFSZ), as the kernel and as shells tell it."""


def limited(command: Command) -> Command:
    """``command``, stopped by the kernel when it writes a larger file, where that can be had."""
    prlimit = shutil.which("prlimit", path=command.env.get("PATH"))
    if prlimit is None:
        return command
    return changed(command, argv=(prlimit, f"--fsize={LARGEST_FILE}", "--", *command.argv))
