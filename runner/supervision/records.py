"""What a supervisor leaves for its successor: a file for each container, one for the back-off.

They lie in the engine's run directory and go with it. Written whole (a rename) at every change of
state, not synced: containers do not outlive the machine. Times are of the monotonic clock, which
is one for all processes of a boot; those for people are of the wall clock.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.support.values import value
from runner.engines.embedded.lasting.files import RunFilesError, write_now
from runner.engines.embedded.lasting.token import Token, parse_token
from runner.slot import ContainerState
from runner.supervision.reconcile import Running
from slugc.procfile import ProcessType

PLACES = "places"


@value
class Record:
    """A container: what it is made of, how it does, and the engine's token for it."""

    process_type: ProcessType
    ordinal: int
    version: int
    size: str
    command: str
    port: int | None
    state: ContainerState
    began: float
    """monotonic"""
    since: float
    """in this state, for people"""
    token: Token
    output: str
    """the name its output is kept under by the keeper"""
    is_outdated: bool = False
    drain_by: float | None = None
    """monotonic: while it is set no new request goes there, and it is not told to stop yet"""
    stop_by: float | None = None
    """monotonic: when it is killed, or given up"""
    is_killed: bool = False
    is_ready: bool = True
    """while it is up: whether it is to get requests"""
    follows: ContainerState = ContainerState.DOWN
    """what its place is in once it has stopped as it was told to: starting again, or down"""

    @property
    def key(self) -> str:
        return self.token.key

    @property
    def name(self) -> str:
        return f"{self.process_type}.{self.ordinal}"

    @property
    def running(self) -> Running:
        return Running(
            key=self.key,
            process_type=self.process_type,
            ordinal=self.ordinal,
            version=self.version,
            size=self.size,
            state=self.state,
            is_outdated=self.is_outdated,
        )


@value
class Crashes:
    """A place whose containers end by themselves."""

    count: int
    due: float
    """monotonic: not before"""
    since: float
    version: int
    """of the release they are of: with another one all is forgotten"""
    total: int = 0
    """how often it has crashed since, steady times in between or not"""


class Records:
    """The files. A container is not begun without one; a later change may wait for room."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unwritten: dict[str, str] = {}
        """content by name, which a full disk has refused"""

    def read(self) -> Iterator[Record]:
        """All containers there are, or were when we were killed."""
        for path in sorted(self._directory.glob("*.json")):
            if path.stem != PLACES:
                yield _parse(json.loads(path.read_text()))

    def begin(self, record: Record) -> None:
        """Write down a container that is to begin. Raises RunFilesError."""
        try:
            write_now(self._path(record.key), _content(record))
        except OSError as err:
            raise RunFilesError(record.name, err.strerror or str(err)) from err

    def write(self, record: Record) -> None:
        """Write down what has changed; without room it is kept in mind for ``settle``.

        Killed before, our successor goes by what was before, and comes to the same end.
        """
        self._write(record.key, _content(record))

    def settle(self) -> bool:
        """Try again what a full disk refused; whether nothing is left."""
        for name, content in tuple(self._unwritten.items()):
            self._write(name, content)
        return not self._unwritten

    def _write(self, name: str, content: str) -> None:
        self._unwritten.pop(name, None)
        try:
            write_now(self._path(name), content)
        except OSError:
            self._unwritten[name] = content

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def remove(self, record: Record) -> None:
        self._unwritten.pop(record.key, None)
        self._path(record.key).unlink(missing_ok=True)

    def read_crashes(self) -> dict[str, Crashes]:
        with contextlib.suppress(FileNotFoundError):
            found = json.loads(self._path(PLACES).read_text())
            return {name: Crashes(**each) for name, each in found.items()}
        return {}

    def write_crashes(self, crashes: Mapping[str, Crashes]) -> None:
        content = {
            name: {
                "count": each.count,
                "due": each.due,
                "since": each.since,
                "version": each.version,
                "total": each.total,
            }
            for name, each in crashes.items()
        }
        self._write(PLACES, json.dumps(content))


def _content(record: Record) -> str:
    fields = {name: getattr(record, name) for name in record._value_fields}  # type: ignore[attr-defined]  # of every value (support/values.py)
    return json.dumps({**fields, "token": record.token.as_json()})


def _parse(found: dict[str, object]) -> Record:
    token = found["token"]
    assert isinstance(token, dict)
    states = {name: ContainerState(str(found[name])) for name in ("state", "follows")}
    return Record(**{**found, **states, "token": parse_token(token)})  # type: ignore[arg-type]  # as ``write`` wrote them
