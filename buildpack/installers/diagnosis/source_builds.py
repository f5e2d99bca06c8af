"""Why a package could not be built from source, in the words of its own build and in ours."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildpack.installers.diagnosis.likely_names import likely_name
from buildpack.installers.diagnosis.missing import MISSING, Missing
from buildpack.support.errors import SlugkitError

SHOWN = 20
A_DIRECTORY = "A package in a directory of your app"
"""What is said of a package whose name is not known, as its build failed before it was asked."""


class SourceBuildError(SlugkitError):
    """A source distribution could not be built."""

    id = "install::source-build"

    def __init__(
        self, package: str, output: Sequence[str], missing: Missing | None, *, is_own: bool
    ) -> None:
        self.package, self.output, self.missing = package, tuple(output), missing
        self.shown = f"Your app's own {package}" if package and is_own else package or A_DIRECTORY
        super().__init__(
            f"{self.shown} could not be built from source",
            details="\n".join(output[-SHOWN:]),
            resolution=_advice("" if is_own else package, output, missing),
        )


class SystemLibraryError(SourceBuildError):
    """It could not be built because of something that is not a Python package."""

    id = "install::system-library"

    def __init__(
        self, package: str, output: Sequence[str], missing: Missing, *, is_own: bool
    ) -> None:
        super().__init__(package, output, missing, is_own=is_own)
        self.brief = f"{self.shown} could not be built: it lacks {missing.what}"
        self.args = (self.brief,)


FRAME = re.compile(r"(?P<indent>\s*)File \".*/builds-v0/.*\", line \d+")
"""A line of a traceback that is about the build's own tools, such as setuptools."""


def without_frames_of_tools(output: Sequence[str]) -> tuple[str, ...]:
    """The output, its tracebacks reduced to what is the package's own."""
    kept: list[str] = []
    indent = -1
    for line in output:
        match = FRAME.match(line)
        if match:
            indent = len(match["indent"])
        elif indent < 0 or len(line) - len(line.lstrip()) <= indent:
            indent = -1
            kept.append(line)
    return tuple(kept)


PROGRESS = re.compile(
    r"(copying|creating|writing|adding|reading|running|byte-compiling) \S|.*/builds-v0/.*Warning: "
)
BLOCK = "!!"
"""What setuptools puts around advice to those who make packages."""


def without_progress(output: Sequence[str]) -> tuple[str, ...]:
    """The output without what setuptools says of every build, good or bad."""
    blocks_end = [line.strip() for line in output].count(BLOCK) % 2 == 0
    kept: list[str] = []
    inside = False
    for line in output:
        if blocks_end and line.strip() == BLOCK:
            inside = not inside
        elif not inside and not PROGRESS.match(line):
            kept.append(line)
    return tuple(kept)


def build_error(package: str, output: Sequence[str], *, is_own: bool = False) -> SourceBuildError:
    """The error for a failed build, by what the output says is missing.

    ``is_own`` is of a package in a directory of the app.
    """
    output = without_frames_of_tools(output)
    output = without_progress(output) or output
    text = "\n".join(output)
    for entry in MISSING:
        match = re.search(entry.sign, text)
        if match:
            names = {name: value or "" for name, value in match.groupdict().items()}
            filled = Missing(
                sign=entry.sign,
                what=entry.what.format(**names),
                system_package=entry.system_package.format(**names),
                wheel=entry.wheel,
            )
            return SystemLibraryError(package, output, filled, is_own=is_own)
    return SourceBuildError(package, output, None, is_own=is_own)


WHICH_PACKAGE = (
    (
        r"Multiple top-level (packages|modules) discovered in a flat-layout",
        '[tool.setuptools]\n    packages = ["NAME"]',
    ),
    (
        r"Unable to determine which files to ship inside the wheel",
        '[tool.hatch.build.targets.wheel]\n    packages = ["NAME"]',
    ),
    (r"Expected a Python module at", '[tool.uv.build-backend]\n    module-name = "NAME"'),
    (r"No file/folder found for package", '[tool.poetry]\n    packages = [{ include = "NAME" }]'),
)
"""What a build says that does not know which files are the app's package, and what tells it."""
NOT_A_PACKAGE = """\
Its build cannot tell which files are the package. If your app need not be installed
itself, remove the [build-system] table from its pyproject.toml. Otherwise say there
what is to be installed:

    """


VERSION_OF_GIT = (
    (r"SETUPTOOLS_SCM_PRETEND_VERSION|setuptools-scm was unable", "SETUPTOOLS_SCM_PRETEND_VERSION"),
    (r"PDM_BUILD_SCM_VERSION", "PDM_BUILD_SCM_VERSION"),
    (r"`uv-dynamic-versioning`: Unable to detect", "UV_DYNAMIC_VERSIONING_BYPASS"),
    (r"Unable to detect version control system", "POETRY_DYNAMIC_VERSIONING_BYPASS"),
    (r"either an sdist tarball, or access to an upstream git repository", "PBR_VERSION"),
)
"""What tools say that look for a version among Git's tags, and what they take it from instead."""
ABSENT_FILE = re.compile(
    r"(?:No such file or directory: '|Readme file not found \('|Readme file does not exist: "
    r"|(?:Readme path|failed to open file) `(?:[^`/]*/)*+|Description file )"
    r"(?P<file>[^\s'`/][^\s'`]*\.\w+)"
)
"""Of setup.py, setuptools, maturin; pdm-backend; hatchling; poetry-core, uv_build; flit. The build
works in the app's directory: what is named from the root, or has no suffix, is of the machine."""
NO_FILE = """\
Its build reads {}, which is not there. If it is in your app's directory,
check that .gitignore and .slugignore do not leave it out."""
NO_REPOSITORY = """\
Its version is to be read from Git's tags, and a build has the files of your app,
not its repository. Name the version in a config var:

    {}=1.0"""


def _advice(package: str, output: Sequence[str], missing: Missing | None) -> str:
    """What to do; ``package`` is empty where it is the app's own."""
    advice = likely_name(package) if package else _advice_to_app("\n".join(output))
    if advice:
        return advice
    if missing is not None:
        return _advice_of(missing)
    if package:
        return (
            "Its own build said the above. A version that has a wheel for this Python\n"
            f"needs no build: look for one among the files of {package.partition('==')[0]} on the "
            "index."
        )
    return (
        "Its own build (setup.py, or the build backend that its pyproject.toml names)\n"
        "said the above. Correct it there."
    )


def _advice_to_app(text: str) -> str:
    """What only an app's own build lacks: "" for nothing that we know."""
    if table := _said_of(WHICH_PACKAGE, text):
        return NOT_A_PACKAGE + table
    if variable := _said_of(VERSION_OF_GIT, text):
        return NO_REPOSITORY.format(variable)
    absent = ABSENT_FILE.search(text)
    return NO_FILE.format(absent["file"]) if absent else ""


def _advice_of(missing: Missing) -> str:
    lines = [f"Best use what has a wheel: {missing.wheel}."]
    if missing.system_package:
        lines.append(
            "To build it, the stack must have this system package (Debian, Ubuntu):\n\n"
            f"    {missing.system_package}"
        )
    return "\n".join(lines)


def _said_of(known: Sequence[tuple[str, str]], text: str) -> str:
    """What goes with the first sign that is found in ``text``; "" without any."""
    return next((answer for sign, answer in known if re.search(sign, text)), "")


def build_output(lines: Sequence[str]) -> tuple[str, ...]:
    """What the build itself said, without uv's words around it."""
    said: list[str] = []
    inside = False
    for line in lines:
        if line.strip() in {"[stderr]", "[stdout]"}:
            inside = True
        elif line.startswith("hint:"):
            inside = False
        elif inside and line.strip():
            said.append(line.removeprefix(" " * 9))
    return tuple(said)
