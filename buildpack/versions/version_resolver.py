"""One answer from every place that says something about the Python version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from buildpack.support.values import value
from buildpack.versions.python_specifier import parse_specifier
from buildpack.versions.python_version import (
    AllowedVersions,
    KnownVersion,
    RequestedPythonVersion,
    VersionOrigin,
    VersionPolicy,
    VersionSource,
    VersionStatus,
)
from buildpack.versions.version_errors import (
    ConflictingVersionsError,
    EndOfLifeVersionError,
    NoVersionSatisfiesError,
    UnknownVersionError,
)

HIGHEST_PATCH = 99
"""Looked at for versions newer than our data file, which is older than today's releases."""

DEFAULT = VersionSource(origin=VersionOrigin.DEFAULT, value="default")


@value
class Resolution:
    """Which Python the app asks for, who decided it, and everybody who had a say.

    ``requested`` is None when no file names a version; ``allowed`` always says what would do.
    ``passed_over`` is what counted for nothing, with the reason.
    """

    requested: RequestedPythonVersion | None
    allowed: AllowedVersions
    decided_by: VersionSource
    sources: tuple[VersionSource, ...]
    passed_over: Mapping[str, str]

    @property
    def origin(self) -> VersionOrigin:
        return self.decided_by.origin

    @property
    def is_pinned(self) -> bool:
        """Does the app ask for one patch release, and so never gets a newer one?"""
        return all(wanted.count(".") == 2 for wanted in self.allowed.wanted)

    @property
    def limits(self) -> tuple[VersionSource, ...]:
        return tuple(source for source in self.sources if source.specifier)

    def asked(self) -> str:
        """For the log: "3.12", "3.13.1", "3.14 or older"."""
        if self.requested:
            return str(self.requested)
        first = self.allowed.wanted[0]
        return first if len(self.allowed.wanted) == 1 else f"{first} or older"

    def reason(self) -> str:
        """For the log, in brackets: why this version."""
        if self.requested:
            named = self.decided_by.file or self.origin
            return f"{named} asks for {self.requested}"
        within = "".join(f", {source.place} allows {source.value}" for source in self.limits[:1])
        if self.origin is VersionOrigin.LAST_BUILD:
            return f"as in the last build{within}"
        return within.removeprefix(", ") or "the app asks for none"

    def as_json(self) -> Mapping[str, object]:
        """For the plan."""
        return {
            "python_version": self.asked(),
            "python_version_allowed": list(self.allowed.wanted),
            "python_version_origin": str(self.origin),
            "python_version_sources": [f"{s.place}: {s.value}" for s in self.sources],
        }

    def facts(self) -> Mapping[str, str | bool]:
        """For the build data."""
        files = dict.fromkeys(source.file for source in self.sources if source.file)
        return {
            "python_version_files": ", ".join(files),
            "python_version_origin": str(self.origin),
            "python_version_pinned": self.is_pinned,
            "python_version_requested": str(self.requested or "default"),
            "python_version_sources": "; ".join(f"{s.place}: {s.value}" for s in self.sources),
        }


def resolve_requested_version(
    sources: Sequence[VersionSource], policy: VersionPolicy
) -> Resolution:
    """Decide; ``sources`` come in the order in which they count. Raises where they disagree."""
    limits = [source for source in sources if source.specifier]
    named = [s for s in sources if s.requested and s.origin is not VersionOrigin.LAST_BUILD]
    last = next((s for s in sources if s.origin is VersionOrigin.LAST_BUILD), None)
    if named:
        decided_by, allowed = _resolve_named(named, limits, policy)
        return Resolution(
            requested=decided_by.requested,
            allowed=allowed,
            decided_by=decided_by,
            sources=tuple(sources),
            passed_over={},
        )
    decided_by, allowed, passed_over = _resolve_open(limits, last, policy)
    return Resolution(
        requested=None,
        allowed=allowed,
        decided_by=decided_by,
        sources=tuple(sources),
        passed_over=passed_over,
    )


def _resolve_named(
    named: Sequence[VersionSource], limits: Sequence[VersionSource], policy: VersionPolicy
) -> tuple[VersionSource, AllowedVersions]:
    """A file names the version: all others must agree with it."""
    decided_by = _agreed(named)
    asked = _request(decided_by)
    entry = policy.known.get(asked.series)
    if entry is not None and policy.refuses(entry):
        raise EndOfLifeVersionError(decided_by, entry, policy)
    if entry is None:
        raise UnknownVersionError(decided_by, policy)
    patches = (asked.patch,) if asked.patch is not None else _patches(entry)
    best = _best_patch(limits, entry, patches)
    if best is None:
        excluding = _excluding(limits, lambda s: _best_patch((s,), entry, patches) is not None)
        would_do = next(iter(_within(limits, policy)), None)
        raise ConflictingVersionsError(
            (decided_by, *excluding), would_do.series if would_do else ""
        )
    wanted = str(asked) if asked.patch is not None else _wanted(limits, entry, best)
    return decided_by, AllowedVersions(
        series=(asked.series,), wanted=(wanted,), limits=_texts(limits)
    )


def _request(source: VersionSource) -> RequestedPythonVersion:
    assert source.requested is not None
    return source.requested


def _agreed(named: Sequence[VersionSource]) -> VersionSource:
    """The first; or one that agrees with it and also names the patch release."""
    first = named[0]
    for other in named[1:]:
        mine, its = _request(first), _request(other)
        both_files = other.origin is VersionOrigin.RUNTIME_TXT
        same_series = mine.series == its.series
        same_patch = mine.patch == its.patch or (not both_files and None in {mine.patch, its.patch})
        if not (same_series and same_patch):
            raise ConflictingVersionsError((first, other))
    return next((s for s in named if _request(s).patch is not None), first)


def _resolve_open(
    limits: Sequence[VersionSource], last: VersionSource | None, policy: VersionPolicy
) -> tuple[VersionSource, AllowedVersions, Mapping[str, str]]:
    """No file names a version: the last build's, if it is within the limits, else the newest."""
    passed_over: dict[str, str] = {}
    if last is not None:
        entry = _last_entry(last, policy)
        if _best_patch(limits, entry, _patches(entry)) is not None:
            return last, _allow((entry,), limits), {}
        passed_over[last.value] = limits[0].place
    candidates = _within(limits, policy)
    if not candidates:
        _refuse(limits, policy)
    decided_by = limits[0] if limits else DEFAULT
    return decided_by, _allow(candidates, limits), passed_over


def _last_entry(last: VersionSource, policy: VersionPolicy) -> KnownVersion:
    entry = policy.known.get(last.value)
    if entry is None:
        raise UnknownVersionError(last, policy)
    if policy.refuses(entry):
        raise EndOfLifeVersionError(last, entry, policy)
    return entry


def _within(limits: Sequence[VersionSource], policy: VersionPolicy) -> tuple[KnownVersion, ...]:
    """What is within the limits, best first: stable ones, or if there are none, less good ones."""
    within = [
        entry
        for entry in policy.known.values()
        if not policy.refuses(entry) and _best_patch(limits, entry, _patches(entry)) is not None
    ]
    for status in (VersionStatus.STABLE, VersionStatus.NEW, VersionStatus.ENDING):
        found = tuple(entry for entry in within if entry.status is status)
        if found:
            return found
    return tuple(within)


def _allow(entries: Iterable[KnownVersion], limits: Sequence[VersionSource]) -> AllowedVersions:
    chosen = tuple(entries)
    wanted = []
    for entry in chosen:
        best = _best_patch(limits, entry, _patches(entry))
        assert best is not None
        wanted.append(_wanted(limits, entry, best))
    return AllowedVersions(
        series=tuple(entry.series for entry in chosen), wanted=tuple(wanted), limits=_texts(limits)
    )


def _wanted(limits: Sequence[VersionSource], entry: KnownVersion, best: int) -> str:
    """The series, unless its newest patch release is outside the limits."""
    is_newest = best >= entry.latest.patch
    return entry.series if is_newest or not limits else f"{entry.series}.{best}"


def _patches(entry: KnownVersion) -> tuple[int, ...]:
    """Patch releases to consider: those we know from the newest down, then those we may not."""
    known = range(entry.latest.patch, -1, -1)
    return (*known, *range(entry.latest.patch + 1, HIGHEST_PATCH + 1))


def _best_patch(
    limits: Sequence[VersionSource], entry: KnownVersion, patches: Iterable[int]
) -> int | None:
    """The first of ``patches`` that is within all limits."""
    major, minor = entry.latest.major, entry.latest.minor
    predicates = [parse_specifier(limit.specifier) for limit in limits]
    for patch in patches:
        if all(predicate((major, minor, patch)) for predicate in predicates):
            return patch
    return None


def _excluding(
    limits: Sequence[VersionSource], is_possible: Callable[[VersionSource], bool]
) -> tuple[VersionSource, ...]:
    """The limits that alone leave nothing; all of them when it takes several."""
    return tuple(limit for limit in limits if not is_possible(limit)) or tuple(limits)


def _refuse(limits: Sequence[VersionSource], policy: VersionPolicy) -> None:
    """Say why nothing is within the limits."""
    for entry in policy.known.values():
        if policy.refuses(entry) and _best_patch(limits, entry, _patches(entry)) is not None:
            raise EndOfLifeVersionError(limits[0], entry, policy)
    if len(limits) > 1 and all(_within((limit,), policy) for limit in limits):
        raise ConflictingVersionsError(limits)
    raise NoVersionSatisfiesError(_excluding(limits, lambda s: bool(_within((s,), policy))), policy)


def _texts(limits: Sequence[VersionSource]) -> tuple[str, ...]:
    return tuple(limit.specifier for limit in limits)
