"""What can go wrong while dependencies are installed, each with its own next step."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

from buildpack.installers.diagnosis.likely_names import likely_name
from buildpack.installers.diagnosis.network_errors import (
    GitError,
    IndexAccessError,
    IndexTlsError,
    IndexUnreachableError,
    ProxyError,
)
from buildpack.requirement_lines import RequirementLine
from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.urls import without_password

__all__ = ["GitError", "IndexAccessError", "IndexTlsError", "IndexUnreachableError", "ProxyError"]


REQUIRED = re.compile(r"you require ([A-Za-z0-9][\w.-]*)")


def wrapped(text: str) -> str:
    """A paragraph at the width of messages."""
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
            details=wrapped(explanation),
            resolution=likely_name(package)
            or "Check its name and version in your requirements. If the package\n"
            "is private, set PIP_EXTRA_INDEX_URL to the index that has it.",
        )

    def name_place(self, place: str) -> None:
        """Say which line of the app's files asks for it."""
        self.details = f"{place} asks for it.\n\n{self.details}"


class NoSuchVersionError(NoMatchingDistributionError):
    """The package is there, and none of its versions is what was asked for."""

    def __init__(self, package: str, wanted: str, explanation: str) -> None:
        super().__init__(package, explanation)
        self.wanted = wanted.rstrip(".,")
        self.brief = f"The index has no version of {package} that is {self.wanted or 'asked for'}"
        self.resolution = (
            f"Ask for one of the versions that there are:\n\n    pip index versions {package}"
        )
        self.args = (self.brief,)

    def name_versions(self, versions: Sequence[str]) -> None:
        """Say which there are, newest first; and the newest of those near what was asked for."""
        known = list(dict.fromkeys(versions))
        if not known:
            return
        self.resolution = f"Ask for another version. The newest are {', '.join(known[:5])}."
        major = re.search(r"\d+", self.wanted)
        near = [x for x in known[5:] if major and x.partition(".")[0] == major[0]]
        if major and near:
            self.resolution += f"\nOf {major[0]}.x the newest: {', '.join(near[:3])}."


class VersionConflictError(SlugkitError):
    """The requirements contradict each other."""

    id = "install::conflict"

    def __init__(self, explanation: str) -> None:
        self.explanation = explanation
        super().__init__(
            "Your requirements cannot be installed together",
            details=wrapped(explanation),
            resolution="Loosen or change one of the versions named above.",
        )

    @property
    def required(self) -> tuple[str, ...]:
        """The packages that the app itself asks for, as far as they have to do with it."""
        return tuple(dict.fromkeys(REQUIRED.findall(self.explanation)))

    def name_lines(self, lines: Sequence[RequirementLine]) -> None:
        """Say where in the app's files they are asked for."""
        if lines:
            listing = "\n".join(f"  {x.place}: {printable(x.requirement)}" for x in lines)
            self.details = f"{self.details}\n\nIt is about these lines:\n\n{listing}"


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


class BrokenDownloadError(SlugkitError):
    """What arrived is no whole file; it says nothing about hashes."""

    exit_code = ExitCode.TRY_AGAIN
    id = "install::broken-download"

    def __init__(self, package: str, reason: str) -> None:
        self.package, self.reason = package, reason
        super().__init__(
            f"The file of {package} did not arrive whole",
            details=reason,
            resolution="It was cut short on its way, or it is damaged on the index. Build\n"
            "again; if it happens again, look at what is between the build machine\n"
            "and the index, then at the file itself.",
        )


class MissingFileError(SlugkitError):
    """The index, or a requirement, names a file that is not there."""

    exit_code = ExitCode.DATA
    id = "install::file-gone"

    def __init__(self, url: str, release: str = "") -> None:
        self.url, self.release = without_password(url), release
        name = release.partition("==")[0]
        super().__init__(
            "A file that should be downloaded does not exist",
            details=f"{self.url} answered 'not found' (HTTP 404)."
            + (f"\nIt would be {release}." if release else ""),
            resolution="The release may have been withdrawn: ask for another one. If a lock file\n"
            f"names it, lock {name} anew, such as with:\n\n    uv lock --upgrade-package {name}"
            if release
            else "If it is in your requirements, correct the URL. If the index named\n"
            "it, its pages are out of date; another version may be there.",
        )


class DiskFullError(SlugkitError):
    """There was no room for what should be installed."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "install::disk-full"

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            "The disk is full",
            details="There was no room to write" + (f" {where}." if where else "."),
            resolution="Make room on the build machine, or clear the build cache. Large packages\n"
            "(torch, tensorflow) have smaller builds without graphics cards.",
        )


class FileTooLargeError(SlugkitError):
    """A package unpacks to a file that nobody needs."""

    exit_code = ExitCode.DATA
    id = "install::file-too-large"

    def __init__(self, limit: int, downloading: Sequence[str]) -> None:
        self.limit, self.downloading = limit, tuple(downloading)
        seen = "".join(f"\n  {line}" for line in self.downloading)
        super().__init__(
            f"A package holds a file of more than {limit / 1024**3:g} GiB",
            details="uv was stopped while it unpacked it. An archive of a few megabytes can hold\n"
            "such a file, to fill the disk of whoever installs it."
            + (f" It had said:\n{seen}" if seen else ""),
            resolution="Nothing of it was kept. Find out which of the packages it is: take the\n"
            "newest ones out of your requirements, and put them back one by one.",
        )


class OutOfMemoryError(SlugkitError):
    """The kernel ended a build or the installer itself."""

    exit_code = ExitCode.TRY_AGAIN
    id = "install::killed"

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"The build of {package} was killed" if package else "The installation was killed",
            details="It ended with signal 9 (SIGKILL). Most often the machine, or the limit of\n"
            "the build, had no memory left.",
            resolution="Use a version that has a wheel for this Python, which needs no\n"
            "compiler, or give the build more memory.",
        )
