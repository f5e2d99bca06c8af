"""Python versions: asked for, known, resolved; and whether what is asked for makes sense."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from buildpack.support.errors import SlugkitError

DATA_FILE = Path(__file__).parent / "data" / "python-versions.toml"


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


class EndOfLifeVersionError(SlugkitError):
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


class UnknownVersionError(SlugkitError):
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


def version_warnings(
    origin: VersionOrigin, version: PythonVersion, known: KnownVersion
) -> tuple[str, ...]:
    """What will stop working later: said after the version is settled, never before an error."""
    warnings = []
    if origin is VersionOrigin.RUNTIME_TXT:
        warnings.append(
            "runtime.txt is deprecated\n\nWrite the version into .python-version instead:\n\n"
            f"    echo {version.series} > .python-version\n    git rm runtime.txt"
        )
    if known.status is VersionStatus.ENDING:
        warnings.append(
            f"Python {version.series} gets no more security fixes\n\n"
            f"They ended in {known.end_of_life}, and support for it ends soon. Choose a newer\n"
            "version in .python-version."
        )
    return tuple(warnings)
