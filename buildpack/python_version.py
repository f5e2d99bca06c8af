"""Which Python the app asks for, and whether that makes sense, from .python-version."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from buildpack.app import App
from buildpack.support.errors import SlugkitError, printable

DATA_FILE = Path(__file__).parent / "data" / "python-versions.toml"

MISSPELT_NAMES = (
    "python-version",
    "python_version",
    ".python_version",
    ".python-versions",
    ".python-version.txt",
    ".Python-version",
    ".pythonversion",
    ".python-version ",
    " .python-version",
    ".py-version",
    ",python-version",
)
"""Names people really gave the file; all of them would be ignored in silence otherwise."""


class VersionOrigin(StrEnum):
    """Where the requested version was written."""

    PYTHON_VERSION_FILE = ".python-version"
    RUNTIME_TXT = "runtime.txt"
    DEFAULT = "default"


class VersionStatus(StrEnum):
    """What data/python-versions.toml says about a minor version."""

    STABLE = "stable"
    NEW = "new"
    ENDING = "ending"
    EOL = "eol"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PythonVersion:
    """An exact version; a resolved one always has a patch."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def series(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedPythonVersion:
    """What the app asks for; without a patch, the newest patch is meant."""

    major: int
    minor: int
    patch: int | None
    origin: VersionOrigin

    def __str__(self) -> str:
        return self.series if self.patch is None else f"{self.series}.{self.patch}"

    @property
    def series(self) -> str:
        return f"{self.major}.{self.minor}"

    def accepts(self, version: PythonVersion) -> bool:
        same_series = (version.major, version.minor) == (self.major, self.minor)
        return same_series and self.patch in {None, version.patch}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion:
    """One minor version in the data file."""

    series: str
    status: VersionStatus
    latest: PythonVersion
    end_of_life: str


class PythonVersionFileError(SlugkitError):
    """.python-version or runtime.txt cannot be used."""

    id = "python-version-file::invalid"


class MisspeltVersionFileError(PythonVersionFileError):
    id = "python-version-file::misspelt"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            "Your Python version file is not called .python-version",
            details=f"Found: '{printable(found)}'",
            resolution=f"Rename it:\n\n    git mv '{printable(found)}' .python-version",
        )


class VersionFileEncodingError(PythonVersionFileError):
    id = "python-version-file::invalid-encoding"

    def __init__(self, name: str, encoding: str) -> None:
        self.name, self.encoding = name, encoding
        super().__init__(
            f"Your {name} is not UTF-8 text",
            details=f"It looks like {encoding}.",
            resolution=f"Save it again as UTF-8, for example with:\n\n    echo 3.13 > {name}",
        )


class NoVersionInFileError(PythonVersionFileError):
    id = "python-version-file::no-version"

    def __init__(self, name: str, example: str) -> None:
        self.name = name
        super().__init__(
            f"No Python version was found in your {name}",
            details="The file has no line that is not empty or a comment.",
            resolution=f"Write the version you want into it:\n\n    echo {example} > {name}",
        )


class MultipleVersionsError(PythonVersionFileError):
    id = "python-version-file::multiple-versions"

    def __init__(self, name: str, lines: Mapping[int, str]) -> None:
        self.name, self.lines = name, dict(lines)
        listing = "\n".join(f"  line {n}: {printable(text)}" for n, text in lines.items())
        super().__init__(
            f"More than one Python version was found in your {name}",
            details=listing,
            resolution="Keep one of these lines and remove the others.",
        )


class InvalidVersionError(PythonVersionFileError):
    id = "python-version-file::invalid-version"

    def __init__(self, name: str, line: int, value: str, example: str) -> None:
        self.name, self.line, self.value = name, line, value
        prefix = "python-" if name == VersionOrigin.RUNTIME_TXT else ""
        super().__init__(
            f"The Python version in your {name} is not valid",
            details=f"Line {line}: {printable(value)}",
            resolution=f"It must be a number like {prefix}{example}, or with a patch release,\n"
            f"like {prefix}{example}.1: no quotes, no 'v', no wildcards or ranges{_no(prefix)}.\n"
            f"For example:\n\n    echo {prefix}{example} > {name}",
        )


def _no(prefix: str) -> str:
    return "" if prefix else ",\nno 'python-' before it"


class ConflictingVersionsError(PythonVersionFileError):
    id = "python-version::conflict"

    def __init__(self, first: RequestedPythonVersion, second: RequestedPythonVersion) -> None:
        self.first, self.second = first, second
        super().__init__(
            "Your app asks for two different Python versions",
            details=f"  {first.origin}: {first}\n  {second.origin}: {second}",
            resolution="Keep .python-version and remove the other:\n\n    git rm runtime.txt",
        )


class EndOfLifeVersionError(PythonVersionFileError):
    id = "python-version::eol"

    def __init__(self, requested: RequestedPythonVersion, ended: str, oldest: str, newest: str):
        self.requested, self.ended = requested, ended
        super().__init__(
            f"Python {requested.series} is no longer supported",
            details=f"Your {requested.origin} asks for Python {requested}. It has had no\n"
            f"security fixes since {ended}.",
            resolution=f"Choose a version from {oldest} to {newest}. For example:\n\n"
            f"    echo {newest} > .python-version",
        )


class UnknownVersionError(PythonVersionFileError):
    id = "python-version::unknown"

    def __init__(self, requested: RequestedPythonVersion, oldest: str, newest: str) -> None:
        self.requested = requested
        super().__init__(
            f"Python {requested.series} is not a version we know",
            details=f"Your {requested.origin} asks for Python {requested}.",
            resolution=f"Choose a version from {oldest} to {newest}. For example:\n\n"
            f"    echo {newest} > .python-version",
        )


def read_known_versions() -> Mapping[str, KnownVersion]:
    """data/python-versions.toml, newest first."""
    table = tomllib.loads(DATA_FILE.read_text("utf-8"))
    return {
        series: KnownVersion(
            series=series,
            status=VersionStatus(entry["status"]),
            latest=parse_exact_version(entry["latest"]),
            end_of_life=entry["end_of_life"],
        )
        for series, entry in table.items()
    }


def parse_exact_version(text: str) -> PythonVersion:
    """``"3.13.1"`` as a value; for text that programs of ours wrote."""
    major, minor, patch = (int(part) for part in text.split("."))
    return PythonVersion(major=major, minor=minor, patch=patch)


def default_series(known: Mapping[str, KnownVersion]) -> str:
    """The newest minor version that is given to an app that did not ask."""
    return next(v.series for v in known.values() if v.status is VersionStatus.STABLE)


def parse_version_file(content: bytes, origin: VersionOrigin) -> RequestedPythonVersion:
    """The one version in ``.python-version`` or ``runtime.txt``."""
    example = default_series(read_known_versions())
    text = _decode(content, origin)
    stripped = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    lines = {number: line for number, line in stripped if line and not line.startswith("#")}
    if not lines:
        raise NoVersionInFileError(origin, _prefixed(origin, example))
    if len(lines) > 1:
        raise MultipleVersionsError(origin, lines)
    ((number, line),) = lines.items()
    prefix = "python-" if origin is VersionOrigin.RUNTIME_TXT else ""
    match = re.fullmatch(rf"{prefix}(0|[1-9]\d?)\.(0|[1-9]\d?)(?:\.(0|[1-9]\d?))?", line, re.ASCII)
    if match is None:
        raise InvalidVersionError(origin, number, line, example)
    major, minor, patch = match.groups()
    return RequestedPythonVersion(
        major=int(major), minor=int(minor), patch=int(patch) if patch else None, origin=origin
    )


def _prefixed(origin: VersionOrigin, example: str) -> str:
    return f"python-{example}" if origin is VersionOrigin.RUNTIME_TXT else example


def _decode(content: bytes, name: str) -> str:
    for mark in (b"\xff\xfe", b"\xfe\xff"):
        if content.startswith(mark):
            raise VersionFileEncodingError(name, "UTF-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise VersionFileEncodingError(name, "another encoding, such as Latin-1") from err


def read_requested_python_version(app: App) -> RequestedPythonVersion | None:
    """What the app asks for, or None when it asks for nothing."""
    names = app.names()
    for name in MISSPELT_NAMES:
        if name in names:
            raise MisspeltVersionFileError(name)
    requests = [
        parse_version_file(app.read_bytes(origin), origin)
        for origin in (VersionOrigin.PYTHON_VERSION_FILE, VersionOrigin.RUNTIME_TXT)
        if origin in names
    ]
    if len(requests) == 2 and str(requests[0]) != str(requests[1]):
        raise ConflictingVersionsError(*requests)
    return requests[0] if requests else None


def check_requested_version(
    requested: RequestedPythonVersion, known: Mapping[str, KnownVersion]
) -> KnownVersion:
    """The data file's entry for the requested series; raises for one we refuse."""
    accepted = [v.series for v in known.values() if v.status is not VersionStatus.EOL]
    entry = known.get(requested.series)
    newest = default_series(known)
    if entry is not None and entry.status is VersionStatus.EOL:
        raise EndOfLifeVersionError(requested, entry.end_of_life, accepted[-1], newest)
    if entry is None and requested.major == 3 and requested.minor < 6:
        raise EndOfLifeVersionError(requested, "before 2021", accepted[-1], newest)
    if entry is None:
        raise UnknownVersionError(requested, accepted[-1], accepted[0])
    return entry
