"""What requirements files say, line by line, without a judgement of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from buildpack.requirement_paths import is_path, is_url
from buildpack.support.values import value

INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=|(?=[^\s-]))(?P<target>.+)")
HASH_OPTION = "--require-hashes"
OPTION_IN_LINE = re.compile(r"\s+--?(?P<name>[A-Za-z-]+)")
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
EDITABLE = re.compile(r"(?:-e|--editable)(?:\s+|=)(?P<target>.+)")


@value
class RequirementLine:
    """One logical line: what it says and where it starts."""

    file: str
    number: int
    text: str

    @property
    def requirement(self) -> str:
        """The requirement without the options behind it, such as ``--hash``."""
        match = OPTION_IN_LINE.search(self.text)
        return self.text[: match.start()].strip() if match else self.text

    @property
    def is_option(self) -> bool:
        return self.text.startswith("-")

    @property
    def has_hash(self) -> bool:
        return "--hash" in self.text

    @property
    def is_editable(self) -> bool:
        return EDITABLE.fullmatch(self.text) is not None

    @property
    def place(self) -> str:
        """``requirements.txt:7``."""
        return f"{self.file}:{self.number}"


@value
class RequirementFiles:
    """Every file involved, by name, and every line in them."""

    contents: Mapping[str, bytes]
    lines: tuple[RequirementLine, ...]
    constraint_files: frozenset[str]

    def local_paths(self) -> tuple[str, ...]:
        """Directories and archives of the app itself that requirements point at."""
        return tuple(path for line in self.lines for path in local_paths_of(line))

    def editable_paths(self) -> tuple[str, ...]:
        """Directories of the app that are installed as links to them."""
        lines = (line for line in self.lines if line.is_editable)
        return tuple(path for line in lines for path in local_paths_of(line))

    def has_hashes(self) -> bool:
        return any(line.has_hash or HASH_OPTION in line.text for line in self.lines)

    def wanted(self) -> tuple[RequirementLine, ...]:
        """The lines that ask for a package, not those that only limit its version."""
        return tuple(
            line
            for line in self.lines
            if line.file not in self.constraint_files and (line.is_editable or not line.is_option)
        )


def split_lines(name: str, text: str) -> Iterator[RequirementLine]:
    """Logical lines as pip reads them: joined at a backslash, comments and blanks left out."""
    pending, start = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        start = start if pending else number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            pending += line[:-1] + " "
            continue
        logical = COMMENT.sub("", pending + ("" if is_comment and pending else line)).strip()
        pending = ""
        if logical:
            yield RequirementLine(file=name, number=start, text=re.sub(r"\s+", " ", logical))


def local_paths_of(line: RequirementLine) -> Iterator[str]:
    """The directory or archive of the app that the line points at, if it does."""
    editable = EDITABLE.fullmatch(line.text)
    text = (editable["target"] if editable else line.requirement).strip("\"'")
    if line.is_option and not editable:
        return
    _, at, url = text.partition(" @ ")
    target = (url if at else text).split(";")[0].split("[")[0].split("#")[0].strip()
    is_file_url = target.startswith("file:")
    target = target.removeprefix("file://").removeprefix("file:")
    if "${" in target:
        return  # Most often a URL whose host is in a config var; uv says what is wrong with it.
    if (editable and not is_url(target)) or is_file_url or is_path(target):
        yield posixpath.normpath(target)
