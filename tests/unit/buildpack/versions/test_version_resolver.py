"""version_resolver: one answer from many places, or an error that names those that disagree."""

from __future__ import annotations

from datetime import date

import pytest

from buildpack.versions.python_version import (
    VersionOrigin,
    VersionPolicy,
    VersionSource,
    read_policy,
)
from buildpack.versions.version_errors import (
    ConflictingVersionsError,
    EndOfLifeVersionError,
    NoVersionSatisfiesError,
    UnknownVersionError,
)
from buildpack.versions.version_file import parse_request
from buildpack.versions.version_resolver import Resolution, resolve_requested_version

TODAY = date(2026, 11, 22)
POLICY = read_policy({}, TODAY)
DARING = read_policy({"SLUGKIT_ALLOW_EOL_PYTHON": "1"}, TODAY)
CHOICES = "Choose a version from 3.10 to 3.15. For example:\n\n    echo 3.14 > .python-version"
SWITCH = (
    "To build with it all the same, at your own risk, set the config var\n"
    "SLUGKIT_ALLOW_EOL_PYTHON=1."
)


def named(origin: VersionOrigin, text: str, file: str = "") -> VersionSource:
    return VersionSource(
        origin=origin, value=text, file=file, line=1, requested=parse_request(text, origin)
    )


def file(text: str) -> VersionSource:
    return named(VersionOrigin.PYTHON_VERSION_FILE, text, ".python-version")


def runtime(text: str) -> VersionSource:
    return named(VersionOrigin.RUNTIME_TXT, text, "runtime.txt")


def lock(text: str) -> VersionSource:
    return named(VersionOrigin.LOCK_FILE, text, "Pipfile.lock")


def last(text: str) -> VersionSource:
    origin = VersionOrigin.LAST_BUILD
    return VersionSource(origin=origin, value=text, requested=parse_request(text, origin))


def limit(text: str, name: str = "pyproject.toml") -> VersionSource:
    return VersionSource(
        origin=VersionOrigin.REQUIRES_PYTHON,
        value=text,
        file=name,
        line=3,
        key="requires-python",
        specifier=text,
    )


def resolve(*sources: VersionSource, policy: VersionPolicy = POLICY) -> Resolution:
    return resolve_requested_version(sources, policy)


@pytest.mark.parametrize(
    ("sources", "origin", "wanted"),
    [
        ([], "default", ["3.14", "3.13", "3.12", "3.11"]),
        ([last("3.12")], "last build", ["3.12"]),
        ([last("3.10")], "last build", ["3.10"]),
        ([file("3.11"), last("3.12")], ".python-version", ["3.11"]),
        ([file("3.11"), runtime("3.11")], ".python-version", ["3.11"]),
        ([runtime("3.11.4")], "runtime.txt", ["3.11.4"]),
        ([lock("3.12"), last("3.11")], "lock file", ["3.12"]),
        ([file("3.12"), lock("3.12.4")], "lock file", ["3.12.4"]),
        ([file("3.12.4"), lock("3.12")], ".python-version", ["3.12.4"]),
        ([file("3.12"), limit(">=3.11")], ".python-version", ["3.12"]),
        ([file("3.12"), limit(">=3.11,<3.12.5")], ".python-version", ["3.12.4"]),
        ([limit(">=3.11")], "requires-python", ["3.14", "3.13", "3.12", "3.11"]),
        ([limit(">=3.11"), limit("<3.13", "uv.lock")], "requires-python", ["3.12", "3.11"]),
        ([limit(">=3.10,<3.12.5")], "requires-python", ["3.12.4", "3.11"]),
        ([limit("~=3.12.3")], "requires-python", ["3.12"]),
        ([limit("==3.13.1")], "requires-python", ["3.13.1"]),
        ([limit(">=3.15")], "requires-python", ["3.15"]),
        ([limit("<3.11")], "requires-python", ["3.10"]),
        ([limit(">=3.12.90,<3.13")], "requires-python", ["3.12"]),
        ([limit(">=3.11"), last("3.12")], "last build", ["3.12"]),
        ([limit(">=3.13"), last("3.12")], "requires-python", ["3.14", "3.13"]),
    ],
)
def test_who_decides_and_what_is_asked_for(
    sources: list[VersionSource], origin: str, wanted: list[str]
) -> None:
    found = resolve(*sources)
    assert (str(found.origin), list(found.allowed.wanted)) == (origin, wanted)
    assert found.sources == tuple(sources)
    assert found.allowed.limits == tuple(s.specifier for s in sources if s.specifier)


def test_two_files_that_disagree() -> None:
    with pytest.raises(ConflictingVersionsError) as caught:
        resolve(file("3.12"), runtime("3.13"))
    assert caught.value.text() == (
        "Your app asks for Python versions that exclude each other\n\n"
        "No version of Python satisfies all of these:\n\n"
        "  .python-version:1  3.12\n"
        "  runtime.txt:1      3.13\n\n"
        "Keep .python-version and remove the other:\n\n    git rm runtime.txt"
    )


@pytest.mark.parametrize("second", ["3.12.4", "3.11"])
def test_the_two_files_must_say_the_very_same(second: str) -> None:
    with pytest.raises(ConflictingVersionsError):
        resolve(file("3.12"), runtime(second))


def test_a_version_outside_the_limits_names_both_places_and_what_would_do() -> None:
    with pytest.raises(ConflictingVersionsError) as caught:
        resolve(file("3.13"), limit(">=3.11,<3.13"), limit(">=3.11", "uv.lock"))
    assert caught.value.text() == (
        "Your app asks for Python versions that exclude each other\n\n"
        "No version of Python satisfies all of these:\n\n"
        "  .python-version:1                   3.13\n"
        "  pyproject.toml:3 (requires-python)  >=3.11,<3.13\n\n"
        "Change one of them. This would be allowed:\n\n    echo 3.12 > .python-version"
    )


def test_a_patch_release_outside_the_limits_is_a_conflict_too() -> None:
    with pytest.raises(ConflictingVersionsError):
        resolve(file("3.12.4"), limit(">=3.12.5"))


def test_a_lock_that_wants_another_version_says_how_it_is_made_anew() -> None:
    with pytest.raises(ConflictingVersionsError) as caught:
        resolve(file("3.13"), lock("3.12"))
    assert caught.value.resolution == (
        "Change one of them so that they agree.\n\n"
        "Pipfile.lock follows your Pipfile: change python_version there, then run\npipenv lock."
    )


def test_limits_that_exclude_each_other() -> None:
    with pytest.raises(ConflictingVersionsError) as caught:
        resolve(limit(">=3.13"), limit("<3.12", "uv.lock"))
    assert [source.value for source in caught.value.sources] == [">=3.13", "<3.12"]
    assert caught.value.resolution == (
        "Change one of them so that they agree.\n\n"
        "uv.lock follows pyproject.toml: change it there, then run uv lock."
    )


def test_a_limit_that_no_python_satisfies() -> None:
    with pytest.raises(NoVersionSatisfiesError) as caught:
        resolve(limit(">=3.16"))
    assert caught.value.text() == (
        "No supported Python satisfies what your app requires\n\n"
        "  pyproject.toml:3 (requires-python): >=3.16\n\n"
        "The newest releases we know:\n\n"
        "  3.15.2\n  3.14.10\n  3.13.18\n  3.12.16\n  3.11.18\n  3.10.22\n\n"
        "Change the limit, so that one of these is within it."
    )


def test_end_of_life_has_its_date_and_its_switch() -> None:
    with pytest.raises(EndOfLifeVersionError) as caught:
        resolve(file("3.9"))
    assert caught.value.text() == (
        "Python 3.9 is no longer supported\n\n"
        ".python-version:1 asks for Python 3.9.\n"
        "It has had no security fixes since 2025-10-31.\n\n"
        f"{CHOICES}\n\n{SWITCH}"
    )
    assert resolve(file("3.9"), policy=DARING).allowed.wanted == ("3.9",)


def test_no_switch_brings_back_what_nothing_installs_for() -> None:
    for policy in (POLICY, DARING):
        with pytest.raises(EndOfLifeVersionError) as caught:
            resolve(file("2.7"), policy=policy)
        assert caught.value.resolution == (
            f"{CHOICES}\n\nSLUGKIT_ALLOW_EOL_PYTHON does not help here: Python 2.7 is too old\n"
            "for the steps of a build."
        )


def test_limits_that_leave_only_old_versions_say_so() -> None:
    with pytest.raises(EndOfLifeVersionError) as caught:
        resolve(limit("<3.10"))
    assert caught.value.brief == "Python 3.9 is no longer supported"
    assert caught.value.details.startswith(
        "pyproject.toml:3 (requires-python) allows Python <3.10.\n"
    )
    assert caught.value.resolution == f"Let it allow a version from 3.10 to 3.15.\n\n{SWITCH}"
    assert resolve(limit("<3.10"), policy=DARING).allowed.series == ("3.9", "3.8", "3.7")


def test_the_last_builds_version_is_not_used_beyond_its_time() -> None:
    later = read_policy({}, date(2027, 1, 7))
    with pytest.raises(EndOfLifeVersionError) as caught:
        resolve(last("3.10"), policy=later)
    assert caught.value.details == (
        "Your app does not say which Python it needs, so it would get the one of\n"
        "its last build, Python 3.10.\n"
        "It has had no security fixes since 2026-10-31."
    )


@pytest.mark.parametrize("text", ["3.99", "4.0", "2.6"])
def test_unknown_version(text: str) -> None:
    with pytest.raises(UnknownVersionError) as caught:
        resolve(file(text))
    assert caught.value.text() == (
        f"Python {text} is not a version we know\n\n"
        f".python-version:1 asks for Python {text}.\n"
        "The newest version this buildpack knows is 3.15.\n\n"
        f"{CHOICES}"
    )


def test_a_last_build_by_a_newer_buildpack() -> None:
    with pytest.raises(UnknownVersionError) as caught:
        resolve(last("3.16"))
    assert caught.value.details.endswith(
        "Is it an older release of the buildpack than the one before?"
    )


@pytest.mark.parametrize(
    ("sources", "asked", "reason"),
    [
        ([], "3.14 or older", "the app asks for none"),
        ([file("3.12")], "3.12", ".python-version asks for 3.12"),
        ([lock("3.12.4")], "3.12.4", "Pipfile.lock asks for 3.12.4"),
        ([last("3.12")], "3.12", "as in the last build"),
        (
            [limit(">=3.12")],
            "3.14 or older",
            "pyproject.toml:3 (requires-python) allows >=3.12",
        ),
        (
            [limit(">=3.12"), last("3.12")],
            "3.12",
            "as in the last build, pyproject.toml:3 (requires-python) allows >=3.12",
        ),
    ],
)
def test_the_log_says_what_was_asked_and_why(
    sources: list[VersionSource], asked: str, reason: str
) -> None:
    found = resolve(*sources)
    assert (found.asked(), found.reason()) == (asked, reason)


def test_the_plan_and_the_report_name_every_source() -> None:
    found = resolve(file("3.12.4"), limit(">=3.11"), last("3.11"))
    assert found.as_json() == {
        "python_version": "3.12.4",
        "python_version_allowed": ["3.12.4"],
        "python_version_origin": ".python-version",
        "python_version_sources": [
            ".python-version:1: 3.12.4",
            "pyproject.toml:3 (requires-python): >=3.11",
            "last build: 3.11",
        ],
    }
    assert found.facts() == {
        "python_version_files": ".python-version, pyproject.toml",
        "python_version_origin": ".python-version",
        "python_version_pinned": True,
        "python_version_requested": "3.12.4",
        "python_version_sources": ".python-version:1: 3.12.4; "
        "pyproject.toml:3 (requires-python): >=3.11; last build: 3.11",
    }
