"""What can go wrong while dependencies are installed, each with its own next step."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.urls import without_password


def _wrap(text: str) -> str:
    return textwrap.fill(text, 70, break_long_words=False, break_on_hyphens=False)


class MissingVariablesError(SlugkitError):
    """Requirements name variables that have no value; no value is ever shown."""

    id = "requirements::variable-missing"

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places = dict(places)
        listing = "\n".join(f"  {place}: ${{{name}}}" for name, place in places.items())
        example = next(iter(places))
        super().__init__(
            "Your requirements use config vars that are not set",
            details=listing,
            resolution=f"Set them as config vars of the app, such as {example}=value. Names are\n"
            "upper case, in the form ${NAME}; pip and this buildpack expand no other.",
        )


class RequirementsFilesError(SlugkitError):
    """SLUGKIT_REQUIREMENTS names files that the app does not have."""

    id = "settings::requirements"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        listing = "\n".join(f"  {printable(name)}" for name in names)
        super().__init__(
            "Your app has not all requirements files it is told to install from",
            details=f"There is no such file in your app:\n\n{listing}",
            resolution="Add them, or correct SLUGKIT_REQUIREMENTS: file names from the app's\n"
            "directory on, with spaces between them.",
        )


class NoMatchingDistributionError(SlugkitError):
    """A package, or the asked version of it, does not exist for this Python."""

    id = "install::no-matching-distribution"

    def __init__(self, package: str, explanation: str) -> None:
        self.package, self.explanation = package, explanation
        super().__init__(
            f"No package on the index matches '{package}'",
            details=_wrap(explanation),
            resolution="Check its name and version in your requirements. If the package\n"
            "is private, set PIP_EXTRA_INDEX_URL to the index that has it.",
        )


class VersionConflictError(SlugkitError):
    """The requirements contradict each other."""

    id = "install::conflict"

    def __init__(self, explanation: str) -> None:
        self.explanation = explanation
        super().__init__(
            "Your requirements cannot be installed together",
            details=_wrap(explanation),
            resolution="Loosen or change one of the versions named above.",
        )


class HashMismatchError(SlugkitError):
    """A downloaded file is not the one whose hash the app committed."""

    id = "install::hash-mismatch"

    def __init__(self, package: str, expected: Sequence[str], got: str) -> None:
        self.package, self.expected, self.got = package, tuple(expected), got
        wanted = "\n         ".join(expected)
        super().__init__(
            f"The hash of {package} is not the one in your requirements",
            details=f"expected {wanted}\nfound    {got}",
            resolution="If you changed the version, write the hashes again. If you did not,\n"
            "the file on the index was replaced: do not use it before you know why.",
        )


class IndexUnreachableError(SlugkitError):
    """The package index does not answer, which says nothing about the packages."""

    id = "install::index-unreachable"

    def __init__(self, index: str, reason: str) -> None:
        self.index, self.reason = without_password(index), reason
        super().__init__(
            "The package index cannot be reached",
            details=f"{self.index}: {reason}.",
            resolution="Your requirements may be fine. Check the network and any proxy\n"
            "settings of the build machine, then build again. To use another\n"
            "index, set PIP_INDEX_URL.",
        )


class IndexAccessError(SlugkitError):
    """The package index wants to know who is asking."""

    id = "install::index-access"

    def __init__(self, index: str, status: str) -> None:
        self.index, self.status = without_password(index), status
        super().__init__(
            "The package index refused access",
            details=f"{self.index} answered with HTTP status {status}.",
            resolution="Give the user name and password in the index's URL, in the\n"
            "config var PIP_INDEX_URL or PIP_EXTRA_INDEX_URL:\n\n"
            "    PIP_EXTRA_INDEX_URL=https://USER:PASSWORD@index.example.com/simple",
        )


class InstallFailedError(SlugkitError):
    """uv failed in a way we have no better words for: most often, a source build."""

    id = "install::failed"

    def __init__(self, lines: Sequence[str], code: int) -> None:
        self.lines, self.code = tuple(lines), code
        super().__init__(
            "Your app's dependencies could not be installed",
            details="\n".join(lines),
            resolution=f"uv ended with exit code {code}; its last lines are above.",
        )


class PipToolsSettingsError(SlugkitError):
    """[tool.pip-tools] cannot be read."""

    id = "pip-tools::settings"

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"The settings of pip-tools in {name} cannot be read",
            details=f"{name}: {printable(reason, limit=200)}",
            resolution="Correct the file. Settings are those of pip-compile, such as:\n\n"
            "    [tool.pip-tools]\n    strip-extras = true",
        )


class PipToolsUnavailableError(SlugkitError):
    """The pinned pip-tools could not be installed: nothing is known about the app yet."""

    exit_code = ExitCode.TRY_AGAIN
    id = "install::tool-bootstrap"

    def __init__(self, version: str, index: str, reason: str) -> None:
        self.version, self.index, self.reason = version, without_password(index), reason
        super().__init__(
            f"Could not install pip-tools {version}, which resolves your requirements.in",
            details=f"Package index: {self.index}\n\n{reason}",
            resolution="Check that the index can be reached and has pip-tools. Or do without:\n"
            "run this on your machine, and commit requirements.txt:\n\n"
            "    pip-compile --generate-hashes --allow-unsafe requirements.in",
        )


class PipCompileError(SlugkitError):
    """pip-compile failed, and uv found nothing wrong with the same requirements."""

    id = "pip-tools::failed"

    def __init__(self, lines: Sequence[str], code: int) -> None:
        self.lines, self.code = tuple(lines), code
        super().__init__(
            "pip-tools could not resolve your requirements.in",
            details="\n".join(printable(line, limit=300) for line in lines),
            resolution=f"pip-compile ended with exit code {code}; its last lines are above.\n"
            "Try the same on your machine:\n\n    pip-compile --generate-hashes requirements.in",
        )
