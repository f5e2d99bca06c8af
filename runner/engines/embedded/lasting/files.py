"""What a run keeps for those who go on with it: descriptors and small files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from buildpack.support.errors import ExitCode, SlugkitError

LOCK, READER, LIFELINE = "run.lock", "run.reader", "run.lifeline"
RUN_FILE = "run.json"
RECORDS = "records"
ROUTER = "router"


class RunFilesError(SlugkitError):
    """The machine has no room, no process or no descriptor left for one more container."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "run-files"

    def __init__(self, name: str, found: str) -> None:
        self.name, self.found = name, found
        super().__init__(
            f"{name} could not be started or written down: {found}",
            resolution="It is tried again by itself. Make room, or allow more processes or files.",
        )


class FdStore(Protocol):
    """Keeps file descriptors for whoever comes after us."""

    def get(self, name: str) -> int | None: ...

    def store(self, name: str, descriptor: int) -> None:
        """Keep it; the store closes our number when it is dropped."""

    def drop(self, name: str) -> None: ...


def write_now(path: Path, content: str) -> None:
    """Replace the file at once. Not synced: what it is about does not outlive the machine."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(content)
    temporary.replace(path)
