"""Reads requirements.txt and every file it includes, without installing anything.

Two readers share it: the cache key needs the bytes of every file involved, and the check before
anything is downloaded needs every requirement with its file and line.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from buildpack.app import App
from buildpack.requirement_paths import is_outside, is_path, is_url
from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import value

INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=|(?=[^\s-]))(?P<target>.+)")
HASH_OPTION = "--require-hashes"
OPTION_IN_LINE = re.compile(r"\s+--?(?P<name>[A-Za-z-]+)")
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
EDITABLE = re.compile(r"(?:-e|--editable)(?:\s+|=)(?P<target>.+)")
LARGEST_INCLUDE_COUNT = 100


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
        return tuple(path for line in self.lines for path in _local_path(line))

    def editable_paths(self) -> tuple[str, ...]:
        """Directories of the app that are installed as links to them."""
        lines = (line for line in self.lines if line.is_editable)
        return tuple(path for line in lines for path in _local_path(line))

    def has_hashes(self) -> bool:
        return any(line.has_hash or HASH_OPTION in line.text for line in self.lines)

    def wanted(self) -> tuple[RequirementLine, ...]:
        """The lines that ask for a package, not those that only limit its version."""
        return tuple(
            line
            for line in self.lines
            if line.file not in self.constraint_files and (line.is_editable or not line.is_option)
        )


@value
class Problem:
    """One thing wrong with one line."""

    file: str
    number: int
    text: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {printable(self.text)}\n    {self.message}"


class InvalidRequirementsError(SlugkitError):
    """Lines that no installer could understand, all of them at once."""

    id = "requirements::invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "a line" if len(problems) == 1 else f"{len(problems)} lines"
        super().__init__(
            f"Your requirements have {count} that cannot be understood",
            details="\n".join(str(problem) for problem in problems),
            resolution="Correct the file. A requirement looks like one of these:\n\n"
            "    flask==3.1.3\n    gunicorn>=23\n    psycopg[binary]",
        )


class UnhashedRequirementsError(SlugkitError):
    """Some requirements have hashes and some have none."""

    id = "requirements::unhashed"

    def __init__(self, lines: Sequence[RequirementLine]) -> None:
        self.lines = tuple(lines)
        listing = "\n".join(f"  {x.file}:{x.number}: {printable(x.requirement)}" for x in lines)
        super().__init__(
            "Some of your requirements have no hash",
            details="Other lines have one, so every line must. These have none:\n\n" + listing,
            resolution="Write the file with hashes for all packages:\n\n"
            "    uv pip compile --generate-hashes requirements.in -o requirements.txt",
        )


def read_requirement_files(app: App, *names: str) -> RequirementFiles:
    """``names`` and every file they include by ``-r`` and ``-c``. Raises with all problems."""
    contents: dict[str, bytes] = {}
    lines: list[RequirementLine] = []
    problems: list[Problem] = []
    constraints: set[str] = set()
    includes: dict[str, list[tuple[RequirementLine, str]]] = {}
    waiting = list(names or ("requirements.txt",))
    while waiting:
        current = waiting.pop(0)
        if current in contents:
            continue  # Included twice: once is enough.
        contents[current] = app.read_bytes(current)
        for line in split_lines(current, app.read_text(current)):
            match = INCLUDE.fullmatch(line.text)
            if match is None:
                lines.append(line)
                continue
            included = _included(current, match["target"])
            message = _include_problem(app, included, len(contents))
            if message:
                problems.append(_problem(line, message))
            else:
                waiting.append(included)
                includes.setdefault(current, []).append((line, included))
                if line.text.startswith(("-c", "--c")):
                    constraints.add(included)
    problems += _circles(includes)
    if problems:
        raise InvalidRequirementsError([*problems, *_plainly_wrong(app, lines)])
    return RequirementFiles(
        contents=contents, lines=tuple(lines), constraint_files=frozenset(constraints)
    )


def _circles(includes: Mapping[str, Sequence[tuple[RequirementLine, str]]]) -> list[Problem]:
    """Every line that leads back to a file it was reached from, as pip refuses it."""
    found: list[Problem] = []
    done: set[str] = set()

    def follow(file: str, path: tuple[str, ...]) -> None:
        for line, included in includes.get(file, ()):
            if included in path:
                circle = " -> ".join((*path[path.index(included) :], included))
                found.append(_problem(line, f"The files include each other: {circle}."))
            elif included not in done:
                follow(included, (*path, included))
        done.add(file)

    for file in includes:
        if file not in done:
            follow(file, (file,))
    return found


def _plainly_wrong(app: App, lines: Sequence[RequirementLine]) -> Iterator[Problem]:
    """What else is to be corrected, as far as it can be said of a line by itself."""
    for line in lines:
        if "${" not in line.text:
            message = _local_problem(app, line)
            if not line.is_option:
                message = message or requirement_problem(line.requirement)
            if message:
                yield _problem(line, message)


def included_files(name: str, text: str) -> Iterator[str]:
    """The files that ``-r`` and ``-c`` name in the file ``name``, as seen from the app."""
    for line in split_lines(name, text):
        match = INCLUDE.fullmatch(line.text)
        if match:
            yield _included(name, match["target"])


def _included(name: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target.strip("\"'")))


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


Check = Callable[[RequirementLine], str]
"""What is wrong with a line, as a sentence; '' for nothing."""


def check_requirement_files(app: App, found: RequirementFiles, *checks: Check) -> None:
    """Raise with every line that is wrong in itself, or that has no hash where others have."""
    found_wrong = ((line, _first_problem(app, line, checks)) for line in found.lines)
    problems = [_problem(line, message) for line, message in found_wrong if message]
    if problems:
        raise InvalidRequirementsError(problems)
    if found.has_hashes():
        unhashed = [line for line in found.wanted() if not line.has_hash]
        if unhashed:
            raise UnhashedRequirementsError(unhashed)


def requirement_problem(text: str) -> str:
    """What is wrong with a requirement; '' for nothing, and for URLs and paths."""
    if re.match(r"(<{7}|={7}|>{7})( |$)", text):
        return "This line was left by a merge conflict."
    if PLAIN.fullmatch(text) or is_url(text) or is_path(text):
        return ""
    # Only for what is not plain: the import takes 30 ms of a build in which nothing changed.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as err:
        return _meant(text) or str(err).partition("\n")[0] + "."
    except RecursionError:
        return "Its marker is nested too deeply."
    return ""


_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"
_RELEASE = r"\d+(?:\.\d+)*"
_VERSION = rf"{_RELEASE}(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?"
_CLAUSE = rf"(?:(?:==|>=|<=|!=|<|>) ?{_VERSION}|~= ?\d+(?:\.\d+)+|[=!]= ?{_RELEASE}\.\*)"
_VARIABLE = "python_version|python_full_version|sys_platform|platform_machine|platform_system"
_VALUE = r"(?:'[A-Za-z0-9_.]+'|\"[A-Za-z0-9_.]+\")"
PLAIN = re.compile(
    rf"{_NAME} ?(?:\[ ?{_NAME}(?: ?, ?{_NAME})* ?\] ?)?(?:{_CLAUSE}(?: ?, ?{_CLAUSE})*)?"
    rf"(?: ?; ?(?:{_VARIABLE}) ?(?:==|!=|>=|<=|<|>) ?{_VALUE})?"
)
"""Requirements as most are written; anything else is read by ``packaging``."""


def _meant(text: str) -> str:
    from buildpack.requirement_hints import what_was_meant  # wanted for mistakes alone

    return what_was_meant(text)


def _first_problem(app: App, line: RequirementLine, checks: Sequence[Check]) -> str:
    return _local_problem(app, line) or next(filter(None, (check(line) for check in checks)), "")


def _local_problem(app: App, line: RequirementLine) -> str:
    for path in _local_path(line):
        if is_outside(app, path):
            return "This path is outside your app."
        if not app.has(path):
            return _meant(line.text) or "There is no such file or directory in your app."
    return ""


def _include_problem(app: App, included: str, count: int) -> str:
    if included.startswith(("http://", "https://")) or ":/" in included:
        return "Requirements are read from files of the app, not from a URL."
    if is_outside(app, included):
        return "This file is outside your app."
    if not app.is_file(included):
        return "There is no such file in your app."
    if count >= LARGEST_INCLUDE_COUNT:
        return f"More than {LARGEST_INCLUDE_COUNT} files are included."
    return ""


def _local_path(line: RequirementLine) -> Iterator[str]:
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


def _problem(line: RequirementLine, message: str) -> Problem:
    return Problem(file=line.file, number=line.number, text=line.text, message=message)
