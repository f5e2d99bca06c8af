"""What runs at its times, and how: a task, from the command line, state.db or app.json."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import value
from runner.schedule.times import Rhythm
from runner.sizes import DEFAULT_SIZE
from runner.state.database import parsing

TIMEOUT = 86400.0  # seconds: as for other one-offs that nobody watches
START_WITHIN = 60.0  # seconds: a minute late is the minute it was meant for
LONGEST_NAME = 40

_NAME = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{LONGEST_NAME - 1}}}")
_INTERPRETERS = re.compile(r"(ba|da)?sh|env|exec|(py)?python[\d.]*|node|npm|run|uv|time|nice")
_ENDINGS = (".py", ".sh", ".js")


class TaskNameError(UsageError):
    """Words that cannot be the name of a task."""

    id = "task-name"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"'{printable(name)}' cannot be the name of a task",
            resolution=f"Use up to {LONGEST_NAME} lowercase letters, digits, '.', '_' and '-':\n\n"
            "    --name nightly-cleanup",
        )


class Overlap(StrEnum):
    """What happens when a task comes due while it still runs. Kubernetes' and Dokku's words."""

    FORBID = "forbid"
    """it is left out"""
    ALLOW = "allow"
    """it runs twice"""
    REPLACE = "replace"
    """the one that runs is stopped first"""


@value
class Task:
    """One command and its times."""

    name: str
    rhythm: Rhythm
    words: tuple[str, ...]
    """as behind ``slug-run run``"""
    overlap: Overlap = Overlap.FORBID
    size: str = DEFAULT_SIZE
    timeout: float | None = TIMEOUT
    start_within: float = START_WITHIN
    """seconds after its time; later than that it was missed"""
    is_of_release: bool = False
    """it stands in app.json, and comes and goes with the release"""
    is_off: bool = False
    """app.json itself says that it is not to run"""

    @property
    def command(self) -> str:
        """For people."""
        return self.words[0] if len(self.words) == 1 else shlex.join(self.words)

    def as_json(self) -> Mapping[str, object]:
        """As state.db keeps it, under its name."""
        return {
            "times": self.rhythm.times,
            "zone": self.rhythm.zone,
            "words": list(self.words),
            "overlap": self.overlap,
            "size": self.size,
            "timeout": self.timeout,
            "start_within": self.start_within,
        }


def parse_task(name: str, found: Mapping[str, Any]) -> Task:
    """The task that ``as_json`` was called on."""
    with parsing():
        timeout = found["timeout"]
        return Task(
            name=name,
            rhythm=Rhythm(times=str(found["times"]), zone=str(found["zone"])),
            words=tuple(str(word) for word in found["words"]),
            overlap=Overlap(found["overlap"]),
            size=str(found["size"]),
            timeout=None if timeout is None else float(timeout),
            start_within=float(found["start_within"]),
        )


def require_name(name: str) -> str:
    """``name``, if it is fit for a task. Raises TaskNameError."""
    if not _NAME.fullmatch(name):
        raise TaskNameError(name)
    return name


def name_for(words: Sequence[str], taken: Collection[str]) -> str:
    """A name for a command that was given none: its first word that says something.

    ``python manage.py clearsessions`` is ``clearsessions``.
    """
    found = _telling_word(words[0].split() if len(words) == 1 else words)
    name = re.sub(r"[^a-z0-9]+", "-", found.lower()).strip("-")[: LONGEST_NAME - 5] or "task"
    name, number = name.strip("-"), 1
    numbered = name
    while numbered in taken:
        number += 1
        numbered = f"{name}-{number}"
    return numbered


def _telling_word(words: Sequence[str]) -> str:
    plain = [word for word in words if not word.startswith("-") and "=" not in word]
    programs = [word for word in plain if not _INTERPRETERS.fullmatch(PurePosixPath(word).name)]
    telling = [word for word in programs if word != "manage.py"] or programs or plain or [*words]
    path = PurePosixPath(telling[0])
    return path.stem if path.suffix in _ENDINGS else path.name
