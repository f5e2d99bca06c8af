"""The Procfile: its left sides are process types, its right sides the commands they run."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NewType

from buildpack.support.errors import ExitCode, Problem, SlugkitError, printable
from buildpack.support.files import kind_of
from buildpack.support.values import value

ProcessType = NewType("ProcessType", str)

PROCFILE = "Procfile"
MAX_BYTES = (
    64 * 1024
)  # one argument of a program may be 128 KiB (execve(2)); half of that is plenty
MAX_TYPES = 100

# The union of what Heroku, foreman and honcho accept, bounded to a DNS label.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_CONFLICT = re.compile(r"(<{7}|={7}|>{7}|\|{7})(\s|$)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_EXAMPLE = "A Procfile line looks like this:\n\n    web: gunicorn app:app --bind 0.0.0.0:$PORT"


class ProcfileError(SlugkitError):
    """A Procfile that cannot be used; every problem in it is listed."""

    exit_code = ExitCode.DATA
    id = "procfile"

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        self.name, self.problems = name, problems
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"The {name} has {count}",
            details="\n".join(problem.at(name) for problem in problems),
            resolution=_EXAMPLE,
        )


class ProcfileUnreadableError(SlugkitError):
    """We may not read the Procfile."""

    exit_code = ExitCode.PERMISSION
    id = "procfile-unreadable"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The {name} cannot be read",
            details=f"uid {os.getuid()} has no permission to read it.",
            resolution=f"Allow it:\n\n    chmod a+r {name}",
        )


def _quiet(_line: str) -> None:
    """The default for ``warn``: nobody listens."""


def read_procfile(
    root: Path, name: str = PROCFILE, *, warn: Callable[[str], None] = _quiet
) -> Mapping[ProcessType, str] | None:
    """The process types of ``root``'s Procfile; None when it has none.

    It must be a regular file right there: opening a FIFO would wait for ever, and a link could
    show a file of the machine that builds.
    """
    try:
        descriptor = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except PermissionError as err:
        raise ProcfileUnreadableError(name) from err
    except OSError as err:  # ELOOP for a link, ENXIO for a socket
        raise _whole_file(name, f"it is {kind_of(root / name)}, not a regular file") from err
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _whole_file(name, f"it is {kind_of(root / name)}, not a regular file")
        content = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    return parse_procfile(content, name, warn=warn)


def parse_procfile(
    content: bytes, name: str = PROCFILE, *, warn: Callable[[str], None] = _quiet
) -> Mapping[ProcessType, str]:
    """The process types in a Procfile's bytes, in its order.

    Raises ProcfileError with all its problems. ``warn`` is told what is legal but unwise.
    """
    lines = _decoded_lines(content, name, warn)
    types: dict[ProcessType, str] = {}
    first_lines: dict[str, int] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _parse_line(number, line, first_lines)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        types[found[0]] = found[1]
    if not types and not problems:
        problems.append(Problem(line=0, column=0, what="it names no process types"))
    if len(types) > MAX_TYPES:
        what = f"it names {len(types)} process types; at most {MAX_TYPES} are allowed"
        problems.append(Problem(line=0, column=0, what=what))
    if problems:
        raise ProcfileError(name, tuple(problems))
    _warn_of_names(types, name, warn)
    return MappingProxyType(types)


@value
class TypePlace:
    """Where a process type stands in a Procfile, counted from 1, and in which column its command
    begins."""

    line: int
    column: int = 1
    command: int = 1


def process_type_places(content: bytes, name: str = PROCFILE) -> Mapping[ProcessType, TypePlace]:
    """Where the process types of a valid Procfile stand."""
    places: dict[ProcessType, TypePlace] = {}
    for number, line in enumerate(_decoded_lines(content, name, _quiet), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _parse_line(number, line, {})
        if isinstance(found, Problem):
            continue
        start = line.index(":") + 1
        space = len(line[start:]) - len(line[start:].lstrip())
        column = len(line) - len(line.lstrip()) + 1
        places[found[0]] = TypePlace(line=number, column=column, command=start + space + 1)
    return places


def is_process_type(name: str) -> bool:
    """Whether ``name`` may stand on the left side of a Procfile line."""
    return _NAME.fullmatch(name) is not None


def _parse_line(
    number: int, line: str, first_lines: dict[str, int]
) -> tuple[ProcessType, str] | Problem:
    """One process type and its command, or what is wrong with the line."""

    def problem(what: str, column: int = 1) -> Problem:
        return Problem(line=number, column=column, what=what)

    if control := _CONTROL.search(line):
        shown = printable(control[0])
        return problem(f"it holds the control character {shown}", control.start() + 1)
    left, colon, right = line.partition(":")
    name, command = left.strip(), right.strip()
    if not colon or _CONFLICT.match(line):
        lacks = "is left from a merge conflict" if _CONFLICT.match(line) else "has no colon"
        return problem(f"'{printable(line.strip())}' {lacks}")
    if not is_process_type(name):
        return problem(
            f"'{printable(name)}' is no process type: letters, digits, '-' and '_' are\n"
            "    allowed, a letter or digit first, at most 63 in all"
        )
    if not command:
        return problem(f"'{name}' has no command", len(left) + 2)
    if name in first_lines:
        return problem(f"'{name}' stands here and in line {first_lines[name]}")
    first_lines[name] = number
    return ProcessType(name), command


def _decoded_lines(content: bytes, name: str, warn: Callable[[str], None]) -> list[str]:
    if len(content) > MAX_BYTES:
        raise _whole_file(name, f"it is larger than {MAX_BYTES // 1024} KiB")
    if guess := _other_encoding(content):
        raise _whole_file(name, f"it is not UTF-8; it looks like {guess}")
    if content.startswith(codecs.BOM_UTF8):
        warn(f"The {name} begins with a byte order mark, which is ignored.")
        content = content.removeprefix(codecs.BOM_UTF8)
    raw_lines = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    broken = tuple(
        problem
        for number, raw in enumerate(raw_lines, start=1)
        if (problem := _undecodable(number, raw))
    )
    if broken:
        raise ProcfileError(name, broken)
    return [raw.decode("utf-8") for raw in raw_lines]


def _undecodable(number: int, raw: bytes) -> Problem | None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as err:
        what = f"'{printable(raw)}' is not UTF-8"
        return Problem(line=number, column=err.start + 1, what=what)
    return None


def _other_encoding(content: bytes) -> str | None:
    """UTF-16, with or without its mark: half of its bytes are NUL where text is English."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "UTF-16 LE"), (codecs.BOM_UTF16_BE, "UTF-16 BE")):
        if content.startswith(mark):
            return encoding
    if len(content) >= 8 and content.count(0) * 3 > len(content):
        return "UTF-16 LE" if content[1:2] == b"\0" else "UTF-16 BE"
    return None


def _warn_of_names(
    types: Mapping[ProcessType, str], name: str, warn: Callable[[str], None]
) -> None:
    odd = [kind for kind in types if not re.fullmatch(r"[a-z0-9]+", kind)]
    if odd:
        warn(
            f"The {name} names {', '.join(odd)}: only lower-case letters and digits work on"
            " every platform."
        )


def _whole_file(name: str, what: str) -> ProcfileError:
    return ProcfileError(name, (Problem(line=0, column=0, what=what),))
