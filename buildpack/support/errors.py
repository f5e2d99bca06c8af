"""The one error family. An error carries facts, says what happened and what to do next."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from buildpack.support.values import value


class ExitCode(IntEnum):
    """Exit codes by class, as in BSD sysexits(3), the same in both commands.

    ``bin/*`` answer 0 or 1 as the buildpack API asks.
    """

    OK = 0
    FAILED = 1
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_CREATE = 73
    IO = 74
    TRY_AGAIN = 75
    CHECKSUM = 76
    PERMISSION = 77
    TIME_LIMIT = 124


class SlugkitError(Exception):
    """What a person is told when something cannot be done.

    ``brief`` is the headline (no full stop), ``details`` what was found, literally,
    ``resolution`` what to do next. ``id`` is stable and goes into reports.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    id: ClassVar[str] = "error"
    is_of_root: ClassVar[bool] = False
    """Whether its commands are for the source's root, wherever in it the app is."""

    def __init__(self, brief: str, *, details: str = "", resolution: str = "") -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = details
        self.resolution = resolution

    def text(self) -> str:
        """The whole message: headline, facts, next step, separated by blank lines."""
        parts = (self.brief, _shortened(self.details), _shortened(self.resolution))
        return "\n\n".join(part for part in parts if part)


MOST_LINES, LONGEST_LINE = 300, 2000
"""Of one part of a message: a file with 100,000 mistakes has them all listed for nobody."""


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_LINE:
        return text
    lines = text.split("\n")
    shown = [x if len(x) <= LONGEST_LINE else f"{x[:LONGEST_LINE]}…" for x in lines[:MOST_LINES]]
    more = [f"... and {len(lines) - MOST_LINES:,} lines more"] if len(lines) > MOST_LINES else []
    return "\n".join([*shown, *more])


class UsageError(SlugkitError):
    """The command line asks for something that does not exist or makes no sense."""

    exit_code = ExitCode.USAGE
    id = "usage"


@value
class Problem:
    """One thing wrong in a file, and where. Line and column count from 1; 0 is the whole file."""

    line: int
    column: int
    what: str

    def at(self, name: str) -> str:
        """``Procfile:3:1: what was found``, as compilers print it."""
        place = f"{name}:{self.line}:{self.column}" if self.line else name
        return f"{place}: {self.what}"


def printable(value: str | bytes, *, limit: int = 80) -> str:
    """``value`` as it may stand in a message: control characters escaped, cut at ``limit``."""
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    shown = "".join(_visible(character) for character in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def shown_seconds(seconds: float) -> str:
    """``1 second``, ``2.5 seconds``: as a limit stands in a message."""
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def printable_path(path: object) -> str:
    """A path as it may stand in a message: whole, because its end is what tells."""
    return printable(str(path), limit=4096)


def _visible(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
