"""Env files: ``NAME=value`` lines, one published grammar (docs/slug-run.md), errors with a place.

UTF-8, blank lines and ``#`` lines skipped, an optional ``export ``. A bare value is trimmed and
ends where `` #`` starts a comment; single quotes are literal; double quotes know ``\\n \\t \\r \\"
\\\\ \\$``; quoted values may span lines. Nothing is expanded. python-dotenv is not used: it skips
broken lines and reads ``\\$`` and quotes inside single quotes in its own way.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from buildpack.support.errors import ExitCode, Problem, SlugkitError, printable, printable_path

MAX_BYTES = 1024 * 1024
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
"""what a config var may be called"""
_LIKE_A_NAME = re.compile(r"[\w .:-]{0,20}")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


class EnvFileError(SlugkitError):
    """An env file that cannot be read as one; all its problems, never its values."""

    exit_code = ExitCode.DATA
    id = "env-file"

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        self.name, self.problems = name, problems
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"The env file {printable(name)} has {count}",
            details="\n".join(problem.at(printable(name)) for problem in problems),
            resolution="A line looks like one of these:\n\n"
            "    NAME=value\n    NAME='as it is'\n    NAME=\"two\\nlines\"",
        )


class EnvFileMissingError(SlugkitError):
    """The env file is not there, or not a file we may read."""

    exit_code = ExitCode.NO_INPUT
    id = "env-file-missing"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(f"The env file {printable_path(path)} cannot be read", details=found)


def read_env_file(path: Path) -> Mapping[str, str]:
    """The config vars in the file ``path``."""
    return parse_env_file(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """What is in an env file. Raises EnvFileMissingError."""
    try:
        # Opening a FIFO that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as err:
        raise EnvFileMissingError(path, f"{err.strerror}.") from err
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise EnvFileMissingError(path, "It is not a regular file.")
        content = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise EnvFileMissingError(path, f"It is larger than {MAX_BYTES // 1024} KiB.")
    return content


def parse_env_file(content: bytes, name: str) -> Mapping[str, str]:
    """The config vars in an env file's bytes. Raises EnvFileError with all problems."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        column = err.start - (content.rfind(b"\n", 0, err.start) + 1) + 1
        raise EnvFileError(name, (Problem(line=line, column=column, what="not UTF-8"),)) from err
    reader = _Reader(text.replace("\r\n", "\n"))
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    while reader.has_more():
        number = reader.line
        pair = reader.read_line()
        if pair is None:
            continue
        if pair[0] in lines:
            what = f"'{pair[0]}' stands here and in line {lines[pair[0]]}"
            reader.problems.append(Problem(line=number, column=1, what=what))
        lines.setdefault(pair[0], number)
        found[pair[0]] = pair[1]
    if reader.problems:
        raise EnvFileError(name, tuple(reader.problems))
    return MappingProxyType(found)


class _Reader:
    """A cursor over the text; a broken line is noted and left, so that all are found."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text, 0, 1
        self.problems: list[Problem] = []

    def has_more(self) -> bool:
        return self.at < len(self.text)

    def read_line(self) -> tuple[str, str] | None:
        end = self._line_end()
        raw = self.text[self.at : end]
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
            self._leave(end)
            return None
        start = self.at + len(raw) - len(raw.lstrip())
        if stripped.startswith("export "):
            start += len("export ")
        name, equals, value = self.text[start:end].partition("=")
        if not equals:
            self._refuse(start, f"{self._shown(name)} has no '='")
            return None
        if not NAME.fullmatch(name.strip()):
            self._refuse(start, f"{self._shown(name)} is not a name")
            return None
        value_at = start + len(name) + 1 + len(value) - len(value.lstrip(" \t"))
        read = self._read_value(value_at, end)
        return None if read is None else (name.strip(), read)

    def _read_value(self, start: int, end: int) -> str | None:
        quote = self.text[start : start + 1]
        if quote not in {"'", '"'} or start >= end:
            bare = self.text[start:end]
            comment = 0 if bare.startswith("#") else bare.replace("\t#", " #").find(" #")
            self._leave(end)
            return (bare if comment < 0 else bare[:comment]).strip()
        return self._read_quoted(start, quote)

    def _read_quoted(self, start: int, quote: str) -> str | None:
        value: list[str] = []
        at = start + 1
        while at < len(self.text) and self.text[at] != quote:
            if quote == '"' and self.text[at] == "\\":
                escaped = self.text[at + 1 : at + 2]
                # An unknown escape stays as it is, so that a path or a pattern survives.
                value.append(ESCAPES.get(escaped, "\\" + escaped))
                at += 2
                continue
            value.append(self.text[at])
            at += 1
        if at >= len(self.text):
            self._refuse(start, f"the quote {quote} is never closed")
            return None
        end = self._line_end(at)
        rest = self.text[at + 1 : end].strip()
        if rest and not rest.startswith("#"):
            self._refuse(at + 1, "something follows the closing quote", leave=end)
            return None
        self._leave(end)
        return "".join(value)

    def _line_end(self, start: int | None = None) -> int:
        end = self.text.find("\n", self.at if start is None else start)
        return len(self.text) if end < 0 else end

    def _leave(self, end: int) -> None:
        self.line += self.text.count("\n", self.at, end + 1)
        self.at = end + 1

    def _refuse(self, at: int, what: str, *, leave: int | None = None) -> None:
        line = self.line + self.text.count("\n", self.at, at)
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        self.problems.append(Problem(line=line, column=column, what=what))
        self._leave(self._line_end() if leave is None else leave)

    @staticmethod
    def _shown(name: str) -> str:
        """What may be meant as a name is shown. The rest may be a secret: a line of a key whose
        quote was lost, a value whose name was forgotten."""
        stripped = name.strip()
        return f"'{stripped}'" if _LIKE_A_NAME.fullmatch(stripped) else "what stands here"
