"""The three standard streams, where whoever started us has closed some."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Let nobody write into a file of ours that got the number of a stream that was closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # standard error
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115  # until we end
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115  # as above
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115  # as above


def discard_output() -> None:
    """Whoever read our output has gone; Python must not try to flush it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
