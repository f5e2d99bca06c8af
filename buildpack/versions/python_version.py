"""Python versions as values: asked for, allowed, known; and what the build's day makes of them."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path

from buildpack.support.values import changed, value
from buildpack.versions.python_specifier import parse_specifier

DATA_FILE = Path(__file__).parent.parent / "data" / "python-versions.toml"
ALLOW_EOL = "SLUGKIT_ALLOW_EOL_PYTHON"


class VersionOrigin(StrEnum):
    """What the choice of the version goes back to."""

    PYTHON_VERSION_FILE = ".python-version"
    RUNTIME_TXT = "runtime.txt"
    LOCK_FILE = "lock file"
    REQUIRES_PYTHON = "requires-python"
    LAST_BUILD = "last build"
    DEFAULT = "default"


class VersionStatus(StrEnum):
    """What data/python-versions.toml says about a minor version."""

    STABLE = "stable"
    NEW = "new"
    ENDING = "ending"
    EOL = "eol"


@functools.total_ordering
@value
class PythonVersion:
    """An exact version; a resolved one always has a patch."""

    major: int
    minor: int
    patch: int

    def __lt__(self, other: PythonVersion) -> bool:
        return (self.major, self.minor, self.patch) < (other.major, other.minor, other.patch)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def series(self) -> str:
        return f"{self.major}.{self.minor}"


@value
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


@value
class VersionSource:
    """One place that says something about the Python version.

    It asks for a version (``requested``), or limits it (``specifier``). ``has_mark`` is set for a
    file that begins with a byte order mark.
    """

    origin: VersionOrigin
    value: str
    file: str = ""
    line: int = 0
    key: str = ""
    requested: RequestedPythonVersion | None = None
    specifier: str = ""
    has_mark: bool = False

    @property
    def place(self) -> str:
        """``pyproject.toml:5 (requires-python)``, as messages name it."""
        place = f"{self.file or self.origin}:{self.line}" if self.line else self.file or self.origin
        return f"{place} ({self.key})" if self.key else str(place)


@value
class AllowedVersions:
    """Which versions would do: minor versions, the best first, within limits.

    ``wanted`` is what to ask for, series by series: the series, or the newest patch of it that is
    within the limits.
    """

    series: tuple[str, ...]
    wanted: tuple[str, ...]
    limits: tuple[str, ...] = ()

    def accepts(self, version: PythonVersion) -> bool:
        return version.series in self.series and self.is_within_limits(version)

    def is_within_limits(self, version: PythonVersion) -> bool:
        release = (version.major, version.minor, version.patch)
        return all(parse_specifier(limit)(release) for limit in self.limits)


@value
class KnownVersion:
    """One minor version in the data file; both dates are the last day of something."""

    series: str
    status: VersionStatus
    latest: PythonVersion
    end_of_life: date
    refused_after: date
    can_build: bool = True

    def on(self, today: date) -> KnownVersion:
        """The entry as it is ``today``: never milder than the data file."""
        if self.status is VersionStatus.EOL or today > self.refused_after:
            return changed(self, status=VersionStatus.EOL)
        if today > self.end_of_life:
            return changed(self, status=VersionStatus.ENDING)
        return self


@value
class VersionPolicy:
    """What is known on the day of the build, and whether the user takes the risk of an old one."""

    known: Mapping[str, KnownVersion]
    today: date
    allows_eol: bool = False

    def accepted(self) -> tuple[KnownVersion, ...]:
        """What an app may ask for without any switch, newest first."""
        return tuple(v for v in self.known.values() if v.status is not VersionStatus.EOL)

    def refuses(self, entry: KnownVersion) -> bool:
        if entry.status is not VersionStatus.EOL:
            return False
        return not (self.allows_eol and entry.can_build)


def read_policy(env: Mapping[str, str], today: date) -> VersionPolicy:
    """The data file as of ``today``; ``env`` is the build's environment with the config vars."""
    known = {series: entry.on(today) for series, entry in read_known_versions().items()}
    allows_eol = env.get(ALLOW_EOL, "") not in {"", "0"}
    return VersionPolicy(known=known, today=today, allows_eol=allows_eol)


def read_known_versions() -> Mapping[str, KnownVersion]:
    """data/python-versions.toml, newest first."""
    table = tomllib.loads(DATA_FILE.read_text("utf-8"))
    return {
        series: KnownVersion(
            series=series,
            status=VersionStatus(entry["status"]),
            latest=parse_exact_version(entry["latest"]),
            end_of_life=entry["end_of_life"],
            refused_after=entry["refused_after"],
            can_build=entry.get("can_build", True),
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
