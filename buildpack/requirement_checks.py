"""Which lines of requirements no installer could understand: all of them, before one is tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from buildpack.app import App
from buildpack.requirement_lines import RequirementFiles, RequirementLine, local_paths_of
from buildpack.requirement_paths import is_outside, is_path, is_url
from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import value


@value
class Problem:
    """One thing wrong with one line."""

    file: str
    number: int
    text: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {printable(self.text)}\n    {self.message}"


def problem_of(line: RequirementLine, message: str) -> Problem:
    """``message`` about a line."""
    return Problem(file=line.file, number=line.number, text=line.text, message=message)


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
        name = printable(lines[0].file)
        listing = "\n".join(f"  {x.file}:{x.number}: {printable(x.requirement)}" for x in lines)
        super().__init__(
            "Some of your requirements have no hash",
            details="Other lines have one, so every line must. These have none:\n\n" + listing,
            resolution="Write the file with hashes for all packages:\n\n"
            f"    uv pip compile --generate-hashes {name} -o {name}",
        )


LONGEST_NAME = 255
"""Characters: its files could not be named after it."""

Check = Callable[[RequirementLine], str]
"""What is wrong with a line, as a sentence; '' for nothing."""


def check_requirement_files(app: App, found: RequirementFiles, *checks: Check) -> None:
    """Raise with every line that is wrong in itself, or that has no hash where others have."""
    found_wrong = ((line, _first_problem(app, line, checks)) for line in found.lines)
    problems = [problem_of(line, message) for line, message in found_wrong if message]
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
        name = Requirement(text).name
    except InvalidRequirement as err:
        from buildpack.requirement_hints import what_was_meant  # wanted for mistakes alone

        return what_was_meant(text) or str(err).partition("\n")[0] + "."
    except RecursionError:
        return "Its marker is nested too deeply."
    if len(name) > LONGEST_NAME:
        return f"No package has a name of {len(name):,} characters."
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


NO_PROJECT = (
    "The directory has no pyproject.toml or setup.py. If it is a git submodule, it was not fetched."
)
FROZEN = (
    "This is a place on the computer that wrote the file. To have versions there:\n"
    "    pip list --format=freeze > requirements.txt"
)
"""`pip freeze` writes such lines of what Conda installed, or of a file."""


def _first_problem(app: App, line: RequirementLine, checks: Sequence[Check]) -> str:
    return _local_problem(app, line) or next(filter(None, (check(line) for check in checks)), "")


def _local_problem(app: App, line: RequirementLine) -> str:
    for path in local_paths_of(line):
        if is_outside(app, path) and " @ file://" in line.text:
            return FROZEN
        if is_outside(app, path):
            return "This path is outside your app."
        if not app.has(path):
            from buildpack import requirement_hints  # wanted for mistakes alone

            hint = requirement_hints.path_on_windows(app, path)
            hint = hint or requirement_hints.known_slip(line.text)
            return hint or "There is no such file or directory in your app."
        if _is_no_project(app.root / path) and "subdirectory=" not in line.text:
            return NO_PROJECT
    return ""


def _is_no_project(path: Path) -> bool:
    files = ("pyproject.toml", "setup.py")
    return path.is_dir() and not any((path / name).exists() for name in files)


def plainly_wrong(app: App, lines: Iterable[RequirementLine]) -> Iterator[Problem]:
    """What else is to be corrected, as far as it can be said of a line by itself."""
    for line in lines:
        if "${" not in line.text:
            message = _local_problem(app, line)
            if not line.is_option:
                message = message or requirement_problem(line.requirement)
            if message:
                yield problem_of(line, message)
