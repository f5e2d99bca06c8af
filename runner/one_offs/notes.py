"""What is known of detached one-offs: a file for each, locked by its owner while that lives.

Lost with its owner's lock is the one-off itself, so whoever looks sweeps what dead owners left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.locks import open_locked
from buildpack.support.values import value
from runner.engines.embedded.identity import ProcessId, open_process
from runner.engines.embedded.lasting.files import write_now

DIRECTORY = "one-offs"
_PATIENCE = 1.0  # seconds; who only asks whether it is held holds it for microseconds


@value
class Note:
    """A detached one-off that runs."""

    name: str
    command: str
    version: int
    since: float
    """for people"""
    key: str
    """of its output in the log"""
    owner: ProcessId
    init: ProcessId | None
    """its first process, where an engine lets others in; None elsewhere"""
    groups: Mapping[str, str]
    memory: int | None
    pids: int | None
    quota: int | None = None

    @property
    def row(self) -> Mapping[str, object]:
        """As ``slug-run ps`` has containers."""
        return {
            "name": self.name,
            "type": self.name.partition(".")[0],
            "state": "up",
            "since": self.since,
            "release": self.version,
            "size": None,
            "command": self.command,
            "address": None,
            "pid": None if self.init is None else self.init.pid,
            "crashes": 0,
        }


class Notes:
    """The files of one app."""

    def __init__(self, app_dir: Path) -> None:
        self.directory = app_dir / DIRECTORY

    def hold(self, name: str) -> int:
        """The lock that says that we live; it ends with us, or when it is closed.

        One whose owner was killed before its note is taken over. Raises LockTimeoutError where a
        one-off of that name lives.
        """
        with contextlib.suppress(FileExistsError):
            self.directory.mkdir(mode=0o700)
        return open_locked(self._lock(name), timeout=_PATIENCE)

    def write(self, note: Note) -> None:
        fields = {name: getattr(note, name) for name in note._value_fields}  # type: ignore[attr-defined]  # of every value (support/values.py)
        for name in ("owner", "init"):
            process = fields[name]
            fields[name] = None if process is None else [process.pid, process.started]
        write_now(self._file(note.name), json.dumps(fields))

    def remove(self, name: str) -> None:
        """The note first: a lock without one says nothing to anybody."""
        self._file(name).unlink(missing_ok=True)
        self._lock(name).unlink(missing_ok=True)

    def read(self) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
        """Those that run, by name, and those whose owner is dead."""
        living: list[Note] = []
        dead: list[Note] = []
        for path in sorted(self.directory.glob("*.json")):
            with contextlib.suppress(FileNotFoundError):  # it has ended just now
                note = _parse(json.loads(path.read_text()))
                (living if self._is_held(note.name) else dead).append(note)
        return tuple(living), tuple(dead)

    def _is_held(self, name: str) -> bool:
        # Not ``is_locked``: where there is none it has ended, and not been killed.
        lock = os.open(self._lock(name), os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two who look see the same
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def _lock(self, name: str) -> Path:
        return self.directory / f"{name}.lock"


def owner_fd(note: Note) -> int | None:
    """A pidfd of who stays with it; None when that has ended."""
    return open_process(note.owner)


def _parse(found: dict[str, object]) -> Note:
    def process(name: str) -> ProcessId | None:
        pair = found[name]
        return ProcessId(pid=pair[0], started=pair[1]) if isinstance(pair, list) else None

    return Note(**{**found, "owner": process("owner"), "init": process("init")})  # type: ignore[arg-type]  # as ``write`` wrote them
