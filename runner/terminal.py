"""The person's own terminal, lent to a container: raw while it runs, put back on every way out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import termios
import tty
from collections.abc import Iterator, Mapping
from pathlib import Path

# What a program needs to know about the terminal it is shown on.
TERMINAL_NAMES = ("TERM", "COLORTERM")
_TIOCGSID = 0x5429  # asm-generic/ioctls.h; termios has no name for it
_TTOU = 1 << (signal.SIGTTOU - 1)


def is_terminal(*descriptors: int) -> bool:
    """Whether all of them are terminals; a closed one is not."""
    return all(os.isatty(descriptor) for descriptor in descriptors)


def terminal_env(descriptor: int, env: Mapping[str, str]) -> Mapping[str, str]:
    """TERM and the size, for the container's environment."""
    rows, columns = read_size(descriptor)
    named = {name: env[name] for name in TERMINAL_NAMES if name in env}
    sized = {"COLUMNS": str(columns), "LINES": str(rows)} if rows and columns else {}
    return {**named, **sized}


def read_size(descriptor: int) -> tuple[int, int]:
    """Rows and columns; zeros where nobody has set them."""
    rows, columns, _, _ = struct.unpack(
        "HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
    )
    return rows, columns


def copy_size(source: int, target: int) -> None:
    """Give one terminal the size of another; the kernel then sends SIGWINCH to its program."""
    with contextlib.suppress(OSError):  # EIO: our own was closed, so nobody sees its size
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def set_raw(descriptor: int) -> None:
    """Have every key go to the container, Ctrl-C and Ctrl-Z included."""
    tty.setraw(descriptor, termios.TCSADRAIN)  # what was typed ahead is for the container


def set_raw_again(descriptor: int) -> None:
    """After a pause, in which the shell took its terminal back."""
    with contextlib.suppress(termios.error):  # it has gone; or another pause came, and its end will
        set_raw(descriptor)


@contextlib.contextmanager
def raw_mode(descriptor: int) -> Iterator[None]:
    """``set_raw`` until the end, and then as it was."""
    before = termios.tcgetattr(descriptor)
    set_raw(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it was closed, and nobody types there any more
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def hang_up(window: int) -> None:
    """SIGHUP to who is on a terminal of ours, as the kernel sends it where a window is closed: to
    the shell, which passes it on, and to what it has in the foreground."""
    for ask, send in ((_session, os.kill), (os.tcgetpgrp, os.killpg)):
        with contextlib.suppress(OSError):  # nobody is there, or no longer
            if (found := ask(window)) > 0:  # zero, to either call, is ourselves
                send(found, signal.SIGHUP)


def has_shell(window: int) -> bool:
    """Whether somebody types into a shell on a terminal of ours: one that outlives SIGTERM.

    It takes the terminal back from what it started, so it ignores SIGTTOU, as nothing else does:
    bash, dash, zsh and fish.
    """
    with contextlib.suppress(OSError):  # nobody is there, or no longer
        for line in Path(f"/proc/{_session(window)}/status").read_text().splitlines():
            if line.startswith("SigIgn:"):
                return bool(int(line.split()[1], 16) & _TTOU)
    return False


def _session(window: int) -> int:
    (found,) = struct.unpack("i", fcntl.ioctl(window, _TIOCGSID, bytes(4)))
    return int(found)
