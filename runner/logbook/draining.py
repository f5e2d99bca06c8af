"""Keeps the process that sends a log to its drains running, while there are any."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.command import Command, spawn
from buildpack.support.errors import SlugkitError
from runner.logbook.drains import Drains

if TYPE_CHECKING:
    from buildpack.support.command import Process


class Draining:
    """A duty of a supervisor (runner/supervision/duties.py).

    The process ends by itself when we are killed: it reads a pipe that only we hold.
    """

    def __init__(self, app_dir: Path, env: Mapping[str, str]) -> None:
        self._app_dir, self._env = app_dir, env
        self._drains = Drains(app_dir / "drains")
        self._process: Process | None = None
        self._lifeline = -1

    def due(self) -> None:
        """Never at a time of its own."""

    def attend(self) -> None:
        """Nothing is due."""

    def look(self) -> None:
        """Start the process if there is something to send to and nobody who does."""
        if self._process is not None and self._process.poll() is None:
            return
        self._let_go()
        if self._drains.all():
            with contextlib.suppress(SlugkitError, OSError):  # looked again, and tried again
                self._start()

    def close(self) -> None:
        """End it."""
        process = self._process
        self._let_go()
        if process is not None:
            process.terminate()  # what it has not sent is sent next time
            process.wait()

    def _start(self) -> None:
        argv = (sys.executable, "-m", "runner.logbook.drain_process", str(self._app_dir))
        reader, self._lifeline = os.pipe()
        try:
            command = Command(argv=argv, env=self._env, cwd=Path("/"))
            self._process = spawn(command, stdin=reader)
        finally:
            os.close(reader)

    def _let_go(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
        self._lifeline, self._process = -1, None
