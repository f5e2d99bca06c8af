"""Sends an app's log to its drains, in a process of its own, so that nobody waits for a network.

    python -m runner.logbook.drain_process APP_DIR

Ends when standard input does: whoever starts it holds the other end. Drains that are added and
removed meanwhile are noticed within a second.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from buildpack.support.urls import without_password
from runner.logbook.app_log import AppLog
from runner.logbook.drains import Drain, Drains
from runner.logbook.reader import Filter, Line, LogReader
from runner.logbook.sending import Sender, open_sender

AT_ONCE = 500  # lines in one frame
IDLE = 0.5  # seconds between two looks at a log that does not grow
LOOK = 1.0  # seconds between two looks at which drains there are
LONGEST_WAIT = 60.0
LAST_WAIT = 2.0  # seconds for what is on its way when all ends


class Pump(threading.Thread):
    """Sends to one drain until it is stopped; tries for ever."""

    def __init__(
        self, app_dir: Path, drain: Drain, *, connect: Callable[[Drain], Sender] = open_sender
    ) -> None:
        super().__init__(daemon=True)
        self._app_dir, self._drain, self._connect = app_dir, drain, connect
        self._drains = Drains(app_dir / "drains")
        self._reader = LogReader(app_dir / "log", Filter().wants)
        self._sender: Sender | None = None
        self._told = 0
        self._failures = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        self._reader.start_at(self._drains.position(self._drain))
        lines: list[Line] = []
        while not self.stopped.is_set():
            self._say_missed()
            lines = lines or self._reader.take(AT_ONCE)
            if not lines:
                self.stopped.wait(IDLE)
            elif self._sent(lines):
                lines = []
            else:
                self.stopped.wait(min(LONGEST_WAIT, 2.0 ** (self._failures - 1)))
        self._hang_up()
        self._reader.close()

    def _sent(self, lines: list[Line]) -> bool:
        try:
            if self._sender is None:
                self._sender = self._connect(self._drain)
            self._sender.send(lines)
        except OSError as err:
            self._hang_up()
            self._failures += 1
            if self._failures == 1:
                self._say(f"Error sending to {self._where}: {err}. Trying again.")
            return False
        if self._failures:
            self._say(f"Sending to {self._where} again")
            self._failures = 0
        with contextlib.suppress(OSError):  # a full disk: a restart sends these lines again
            # Stopped since they were sent, they are not to be sent again; of a drain that was
            # removed nothing is remembered.
            if not self.stopped.is_set() or self._drain in self._drains.all():
                self._drains.remember(self._drain, self._reader.position)
        return True

    def _hang_up(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _say_missed(self) -> None:
        if self._reader.missed > self._told:
            files = self._reader.missed - self._told
            self._told = self._reader.missed
            self._say(
                f"Error L10 (output buffer overflow): {files} log file{'s' if files > 1 else ''}"
                f" dropped before {self._where} took them"
            )

    @property
    def _where(self) -> str:
        return without_password(self._drain.url)

    def _say(self, text: str) -> None:
        with AppLog(self._app_dir / "log") as log:
            log.system("drains", text)


def pump(app_dir: Path, *, lifeline: int) -> None:
    """Send until ``lifeline`` can be read from, which is when its other end was closed."""
    directory = app_dir / "drains"
    directory.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(directory / "lock", flags, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # a predecessor that has not ended yet sends still
    pumps: dict[Drain, Pump] = {}
    drains = Drains(directory)
    while True:
        wanted = drains.all()
        for drain in set(wanted) - pumps.keys():
            pumps[drain] = Pump(app_dir, drain)
            pumps[drain].start()
        for drain in pumps.keys() - set(wanted):
            pumps.pop(drain).stopped.set()
        if select.select([lifeline], [], [], LOOK)[0]:
            break
    for each in pumps.values():
        each.stopped.set()
    for each in pumps.values():
        each.join(LAST_WAIT)
    os.close(lock)


if __name__ == "__main__":
    pump(Path(sys.argv[1]), lifeline=0)
