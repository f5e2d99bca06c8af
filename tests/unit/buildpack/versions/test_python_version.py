"""python_version: what is known, what the build's day makes of it, what is accepted."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from buildpack.versions.python_version import (
    AllowedVersions,
    KnownVersion,
    PythonVersion,
    RequestedPythonVersion,
    VersionOrigin,
    VersionSource,
    VersionStatus,
    default_series,
    parse_exact_version,
    read_known_versions,
    read_policy,
)

TODAY = date(2026, 11, 22)
FILE = VersionOrigin.PYTHON_VERSION_FILE


def asked(minor: int, patch: int | None = None) -> RequestedPythonVersion:
    return RequestedPythonVersion(major=3, minor=minor, patch=patch, origin=FILE)


def test_without_a_patch_every_patch_is_accepted() -> None:
    version = PythonVersion(major=3, minor=12, patch=7)
    assert asked(12).accepts(version)
    assert asked(12, 7).accepts(version)
    assert not asked(12, 6).accepts(version)
    assert not asked(1).accepts(version)


def test_what_is_allowed_is_a_series_and_every_limit() -> None:
    allowed = AllowedVersions(
        series=("3.13", "3.12"), wanted=("3.13", "3.12"), limits=(">=3.12.2", "!=3.13.0")
    )
    accepted = [
        text
        for text in ("3.14.0", "3.13.1", "3.13.0", "3.12.2", "3.12.1")
        if allowed.accepts(parse_exact_version(text))
    ]
    assert accepted == ["3.13.1", "3.12.2"]


def test_a_place_is_named_as_far_as_it_is_known() -> None:
    source = VersionSource(
        origin=VersionOrigin.REQUIRES_PYTHON,
        value=">=3.11",
        file="pyproject.toml",
        line=5,
        key="requires-python",
    )
    assert source.place == "pyproject.toml:5 (requires-python)"
    assert VersionSource(origin=VersionOrigin.LAST_BUILD, value="3.12").place == "last build"


def test_the_data_file_is_newest_first_and_its_default_is_stable() -> None:
    known = read_known_versions()
    order = [entry.latest for entry in known.values()]
    assert order == sorted(order, reverse=True)
    assert known[default_series(known)].status is VersionStatus.STABLE


@pytest.mark.parametrize("entry", read_known_versions().values(), ids=lambda entry: entry.series)
def test_every_entry_of_the_data_file_makes_sense(entry: KnownVersion) -> None:
    assert entry.latest.series == entry.series
    assert timedelta(days=60) < entry.refused_after - entry.end_of_life < timedelta(days=100)
    # On the day it was written, the file says nothing that its dates contradict.
    assert entry.on(TODAY).status is entry.status
    assert entry.can_build or entry.status is VersionStatus.EOL


@pytest.mark.parametrize(
    ("today", "status"),
    [
        (date(2027, 10, 31), VersionStatus.STABLE),
        (date(2027, 11, 1), VersionStatus.ENDING),
        (date(2028, 1, 6), VersionStatus.ENDING),
        (date(2028, 1, 7), VersionStatus.EOL),
    ],
)
def test_the_day_of_the_build_decides_how_old_a_version_is(
    today: date, status: VersionStatus
) -> None:
    assert read_policy({}, today).known["3.11"].status is status


def test_a_clock_that_is_wrong_makes_no_version_younger() -> None:
    known = read_policy({}, date(1970, 1, 1)).known
    assert known["3.9"].status is VersionStatus.EOL
    assert known["3.10"].status is VersionStatus.ENDING


def test_old_versions_are_accepted_only_with_the_switch_and_where_it_can_help() -> None:
    known = read_known_versions()
    strict = read_policy({"SLUGKIT_ALLOW_EOL_PYTHON": "0"}, TODAY)
    daring = read_policy({"SLUGKIT_ALLOW_EOL_PYTHON": "1"}, TODAY)
    assert [strict.refuses(known[series]) for series in ("3.10", "3.9", "2.7")] == [
        False,
        True,
        True,
    ]
    assert [daring.refuses(known[series]) for series in ("3.10", "3.9", "2.7")] == [
        False,
        False,
        True,
    ]
    assert [entry.series for entry in daring.accepted()] == [
        "3.15", "3.14", "3.13", "3.12", "3.11", "3.10",
    ]  # fmt: skip
