"""One thing found in a source, and where."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from buildpack.support.errors import Problem, printable_path
from buildpack.support.values import value


class Severity(StrEnum):
    """What comes of it."""

    ERROR = "error"
    """a build of this source fails"""
    WARNING = "warning"
    """it builds, and is probably not what was meant"""
    NOTE = "note"
    """worth knowing"""


@value
class Finding:
    """Line and column count from 1; 0 is the whole file. Without a ``file``, the whole source."""

    severity: Severity
    id: str
    """stable, for programs"""
    text: str
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def place(self) -> str:
        """As compilers print it."""
        if not self.file:
            return "."
        file = printable_path(self.file)
        return f"{file}:{self.line}:{max(self.column, 1)}" if self.line else file

    @property
    def shown(self) -> str:
        """One line."""
        return f"{self.place}: {self.severity}: {' '.join(self.text.split())} [{self.id}]"


def findings_of(
    file: str,
    problems: Iterable[Problem],
    id: str,  # noqa: A002  # its name
    severity: Severity = Severity.ERROR,
) -> list[Finding]:
    """What a parser of ours found in ``file``."""
    return [
        Finding(
            severity=severity,
            id=id,
            text=problem.what,
            file=file,
            line=problem.line,
            column=problem.column,
        )
        for problem in problems
    ]
