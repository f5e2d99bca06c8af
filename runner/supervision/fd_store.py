"""The supervisor's side of the keeper: descriptors that are there for whoever comes after it."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

STOPPING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LOCK = "lock"
"""The lock of the app's supervisor/ directory; keeper and supervisor hold it together."""


class KeptFds:
    """Descriptors by name, here and in the keeper. Implements the engine's ``FdStore``."""

    def __init__(self, keeper: socket.socket, kept: Mapping[str, int]) -> None:
        self.keeper = keeper
        self.is_kept = True
        """False once the keeper is gone: then only we hold them."""
        self._kept = dict(kept)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._kept)

    def get(self, name: str) -> int | None:
        return self._kept.get(name)

    def store(self, name: str, descriptor: int) -> None:
        """Keep it; it is closed, here and there, when it is dropped."""
        self._kept[name] = descriptor
        if self.is_kept:
            try:
                socket.send_fds(self.keeper, [f"store {name}".encode()], [descriptor])
            except (BrokenPipeError, ConnectionResetError):
                self.is_kept = False

    def drop(self, name: str) -> None:
        descriptor = self._kept.pop(name, None)
        if descriptor is None:
            return
        os.close(descriptor)
        if self.is_kept:
            try:
                self.keeper.send(f"drop {name}".encode())
            except (BrokenPipeError, ConnectionResetError):
                self.is_kept = False

    def become_keeper(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Go on as the keeper, whose first act is to start another supervisor. Never returns.

        The process stays the same, so what it started stays its, and so do its descriptors.
        """
        become_subreaper()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # until the keeper is ready for them
        for descriptor in self._kept.values():
            os.set_inheritable(descriptor, True)
        command = keeper_argv(self._kept, argv)
        os.execve(command[0], command, dict(env))  # noqa: S606  # not a child: what we become


def inherited(words: Iterable[str]) -> dict[str, int]:
    """The descriptors that a keeper handed over with its supervisor's birth: ``NAME=FD``."""
    found = {}
    for word in words:
        name, _, number = word.rpartition("=")
        os.set_inheritable(int(number), False)
        found[name] = int(number)
    return found


def keeper_argv(kept: Mapping[str, int], argv: Sequence[str]) -> list[str]:
    """The command line of a keeper that has ``kept`` and runs ``argv`` as supervisor."""
    program = str(Path(__file__).with_name("keeper.py"))
    fds = [f"{name}={descriptor}" for name, descriptor in kept.items()]
    return [sys.executable, "-I", "-S", program, *fds, "--", *argv]


def supervisor_argv(app: int) -> list[str]:
    """The command line of the supervisor of the app with that number."""
    return [sys.executable, "-m", "runner.supervision.daemon", str(app)]


def ready_for_signals() -> None:
    """To be called by a supervisor that can be told to stop: it was born with them blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def become_subreaper() -> None:
    """Orphans below us become ours, not those of the machine's first process; kept by execve."""
    import ctypes  # here, so that neither process carries it along

    pr_set_child_subreaper = 36  # linux/prctl.h
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
