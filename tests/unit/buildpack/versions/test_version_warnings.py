"""version_warnings: what will stop working later, and the lines that change it."""

from __future__ import annotations

from datetime import date

import pytest

from buildpack.versions.last_version import LastVersion
from buildpack.versions.python_version import (
    VersionOrigin,
    VersionPolicy,
    VersionSource,
    parse_exact_version,
    read_policy,
)
from buildpack.versions.version_file import parse_request
from buildpack.versions.version_resolver import resolve_requested_version
from buildpack.versions.version_warnings import version_notices, version_warnings

POLICY = read_policy({}, date(2026, 11, 22))
DARING = read_policy({"SLUGKIT_ALLOW_EOL_PYTHON": "yes"}, date(2026, 11, 22))


def named(text: str, origin: VersionOrigin, *, has_mark: bool = False) -> VersionSource:
    name = "Pipfile.lock" if origin is VersionOrigin.LOCK_FILE else str(origin)
    return VersionSource(
        origin=origin,
        value=text,
        file="" if origin is VersionOrigin.LAST_BUILD else name,
        line=1,
        requested=parse_request(text, origin),
        has_mark=has_mark,
    )


def file(text: str) -> VersionSource:
    return named(text, VersionOrigin.PYTHON_VERSION_FILE)


def runtime(text: str) -> VersionSource:
    return named(text, VersionOrigin.RUNTIME_TXT)


def lock(text: str) -> VersionSource:
    return named(text, VersionOrigin.LOCK_FILE)


def limit(text: str) -> VersionSource:
    return VersionSource(
        origin=VersionOrigin.REQUIRES_PYTHON,
        value=text,
        file="pyproject.toml",
        line=3,
        key="requires-python",
        specifier=text,
    )


def warned(version: str, *sources: VersionSource, policy: VersionPolicy = POLICY) -> list[str]:
    resolution = resolve_requested_version(sources, policy)
    return list(version_warnings(resolution, parse_exact_version(version), policy))


def noticed(version: str, last: LastVersion | None, *sources: VersionSource) -> list[str]:
    own = (named(last.series, VersionOrigin.LAST_BUILD),) if last else ()
    resolution = resolve_requested_version((*sources, *own), POLICY)
    return list(version_notices(resolution, parse_exact_version(version), POLICY, last))


@pytest.mark.parametrize(
    ("version", "sources"),
    [
        ("3.13.0", [file("3.13")]),
        ("3.13.0", []),
        ("3.13.18", [file("3.13.18")]),
        ("3.12.1", [limit(">=3.12,<3.13")]),
    ],
)
def test_nothing_is_said_where_nothing_will_break(
    version: str, sources: list[VersionSource]
) -> None:
    assert warned(version, *sources) == []


def test_runtime_txt_is_deprecated() -> None:
    assert warned("3.13.0", runtime("3.13")) == [
        "runtime.txt is deprecated\n\nWrite the version into .python-version instead:\n\n"
        "    echo 3.13 > .python-version\n    git rm runtime.txt"
    ]


def test_runtime_txt_beside_the_other_is_only_removed() -> None:
    assert warned("3.13.0", file("3.13"), runtime("3.13")) == [
        "runtime.txt is deprecated\n\nYour .python-version says the same. Remove the other:\n\n"
        "    git rm runtime.txt"
    ]


def test_a_byte_order_mark_is_warned_about() -> None:
    marked = named("3.13", VersionOrigin.PYTHON_VERSION_FILE, has_mark=True)
    assert warned("3.13.0", marked) == [
        "Your .python-version begins with a byte order mark\n\n"
        "Other tools trip over it. Save the file as UTF-8 without one."
    ]


def test_an_old_patch_release_is_told_from_the_newest() -> None:
    assert warned("3.12.1", file("3.12.1")) == [
        "Python 3.12.1 is not the newest patch release\n\n"
        ".python-version:1: 3.12.1\n\n"
        "The newest is 3.12.16. Patch releases correct errors and close\n"
        "security holes. To get each new one:\n\n"
        "    echo 3.12 > .python-version"
    ]


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        (
            lock("3.12.1"),
            "To get each new one, have\n"
            'python_version = "3.12" and no python_full_version in your Pipfile, then run:\n\n'
            "    pipenv lock",
        ),
        (limit("==3.12.1"), "Allow every patch release of 3.12 there."),
        (runtime("3.12.1"), "To get each new one:\n\n    echo 3.12 > .python-version"),
    ],
)
def test_how_to_get_new_patch_releases_depends_on_where_the_old_one_is_written(
    source: VersionSource, advice: str
) -> None:
    assert warned("3.12.1", source)[-1].endswith(f"close\nsecurity holes. {advice}")


def test_a_version_without_fixes_is_used_in_its_time_of_grace() -> None:
    assert warned("3.10.13", file("3.10")) == [
        "Python 3.10 gets no more security fixes\n\n"
        "They ended on 2026-10-31. Builds with it will be refused after\n"
        "2027-01-06. Move on to a newer version:\n\n"
        "    echo 3.14 > .python-version"
    ]


def test_the_end_is_announced_half_a_year_before() -> None:
    assert warned("3.11.7", file("3.11"), policy=read_policy({}, date(2027, 5, 3))) == []
    assert warned("3.11.7", file("3.11"), policy=read_policy({}, date(2027, 5, 4))) == [
        "Python 3.11 gets security fixes until 2027-10-31 only\n\n"
        "Builds with it will be refused after 2028-01-06. Move on to a newer version:\n\n"
        "    echo 3.14 > .python-version"
    ]


def test_the_switch_for_old_versions_is_loud() -> None:
    assert warned("3.9.18", file("3.9"), policy=DARING) == [
        "Python 3.9 has had no security fixes since 2025-10-31\n\n"
        "It is used because SLUGKIT_ALLOW_EOL_PYTHON is set. Known holes in it stay\n"
        "open, and packages no longer support it. Move on to a newer version:\n\n"
        "    echo 3.14 > .python-version"
    ]


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        (lock("3.10"), 'Move on: have python_version = "3.14" in your Pipfile.'),
        (limit("<3.11"), "Move on: let pyproject.toml:3 (requires-python) allow 3.14."),
    ],
)
def test_moving_on_is_done_where_the_version_is_written(source: VersionSource, advice: str) -> None:
    assert warned("3.10.13", source)[0].endswith(advice)


def test_an_app_that_stays_behind_is_told_when_the_default_moves_on() -> None:
    assert noticed("3.13.0", LastVersion(series="3.13", default="3.13")) == [
        "Your app stays with Python 3.13, as in its last build\n\n"
        "Apps that say nothing get Python 3.14 now. To move to it, or to stay where\n"
        "you are whatever happens to the cache, write the version down:\n\n"
        "    echo 3.14 > .python-version\n    echo 3.13 > .python-version"
    ]


@pytest.mark.parametrize(
    ("last", "sources"),
    [
        (None, []),
        (LastVersion(series="3.14", default="3.14"), []),
        # This machine had no 3.14 to give: nothing has moved on.
        (LastVersion(series="3.13", default="3.14"), []),
        (LastVersion(series="3.12", default="3.13"), [file("3.13")]),
    ],
)
def test_nothing_has_moved_on(last: LastVersion | None, sources: list[VersionSource]) -> None:
    version = "3.14.1" if last and last.series == "3.14" else "3.13.0"
    assert noticed(version, last, *sources) == []


def test_a_last_version_that_the_limits_exclude_is_named() -> None:
    assert noticed("3.13.0", LastVersion(series="3.12", default="3.14"), limit(">=3.13")) == [
        "Python 3.12 of the last build is not used any more\n\n"
        "pyproject.toml:3 (requires-python) does not allow it now. "
        "This build uses Python 3.13."
    ]
