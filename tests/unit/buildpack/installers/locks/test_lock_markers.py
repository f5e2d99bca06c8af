"""lock_markers: what a lock says of environments, cut down to what uv has to decide."""

from __future__ import annotations

import itertools

import pytest
from packaging.markers import Marker as PackagingMarker

from buildpack.installers.locks.lock_markers import (
    ALWAYS,
    NEVER,
    MarkerSyntaxError,
    MarkerTooLargeError,
    both,
    either,
    marker_text,
    parse_marker,
)

TEXTS = (
    "python_version < '3.11'",
    'python_full_version <= "3.11.0a6" and sys_platform == "linux"',
    "(os_name == 'nt' or sys_platform == 'linux') and python_version >= '3.10'",
    "sys_platform not in 'win32 cygwin' and (python_version < '3.9' or python_version > '3.12')",
    "'linux' in sys_platform or implementation_name == 'pypy'",
    "platform_machine == 'x86_64' and platform_machine != 'aarch64'",
)
ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": platform,
        "os_name": "nt" if platform == "win32" else "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
    }
    for python, platform in itertools.product(("3.8", "3.10", "3.13"), ("linux", "win32"))
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_marker_written_again_is_true_in_the_same_environments(text: str) -> None:
    again = marker_text(parse_marker(text))
    for environment in ENVIRONMENTS:
        before = PackagingMarker(text).evaluate(environment)
        assert PackagingMarker(again).evaluate(environment) == before


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(TEXTS, 2)))
def test_joined_markers_are_true_where_packaging_says(one: str, other: str) -> None:
    left, right = parse_marker(one), parse_marker(other)
    for environment in ENVIRONMENTS:
        first, second = (PackagingMarker(text).evaluate(environment) for text in (one, other))
        for joined, expected in (
            (both(left, right), first and second),
            (either([left, right]), first or second),
        ):
            assert PackagingMarker(marker_text(joined)).evaluate(environment) == expected


def test_extras_are_decided_and_leave_the_rest() -> None:
    text = "extra == 'fast_Mode' and python_version < '3.12' or extra != 'slow'"
    assert marker_text(parse_marker(text, {"fast-mode", "slow"})) == "python_version < '3.12'"
    assert parse_marker(text, {"slow"}) == NEVER
    assert parse_marker("extra == 'a' or extra == 'b'", {"b"}) == ALWAYS


def test_no_marker_is_always_true() -> None:
    assert parse_marker("") == parse_marker("*") == ALWAYS
    assert marker_text(ALWAYS) == ""
    assert not PackagingMarker(marker_text(NEVER)).evaluate()


def test_what_adds_nothing_is_left_out() -> None:
    narrow, wide = parse_marker("os_name == 'a' and os_name == 'b'"), parse_marker("os_name == 'a'")
    assert either([narrow, wide]) == wide
    assert both(narrow, wide) == narrow
    assert either([wide, ALWAYS]) == ALWAYS


@pytest.mark.parametrize(
    "text",
    ["python_version <", "python_version < '3' or", "(os_name == 'a'", "os_name = 'a'", "a b c",
     "os_name == 'a' os_name == 'b'", "os_name == )", "$"],
)  # fmt: skip
def test_what_is_no_marker_is_refused(text: str) -> None:
    with pytest.raises(MarkerSyntaxError):
        parse_marker(text)


def test_a_marker_that_explodes_is_refused() -> None:
    text = " and ".join(f"(os_name == 'a{n}' or os_name == 'b{n}')" for n in range(12))
    with pytest.raises(MarkerTooLargeError):
        parse_marker(text)
