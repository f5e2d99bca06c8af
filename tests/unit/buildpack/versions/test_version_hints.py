"""version_hints: what was meant by something else than X.Y or X.Y.Z."""

from __future__ import annotations

import pytest

from buildpack.versions.version_hints import Slip, SlipKind, explain_slip

ACCEPTED = ("3.15", "3.14", "3.13", "3.12", "3.11", "3.10")


def slip(value: str) -> Slip:
    return explain_slip(value, default="3.14", accepted=ACCEPTED)


@pytest.mark.parametrize(
    ("value", "version", "reason"),
    [
        ("python-3.12", "3.12", "there is no 'python-' before"),
        ("Python 3.12.4", "3.12.4", "there is no 'python' before"),
        ("cpython-3.12.3-linux-x86_64-gnu", "3.12", "there is no 'cpython-' before"),
        ("v3.12", "3.12", "there is no 'v' before"),
        ('"3.12"', "3.12", "No quotes belong around it."),
        ("'3.12.4'", "3.12.4", "No quotes belong around it."),
        ("3.12.*", "3.12", "no wildcard"),
        ("3.12.x", "3.12", "no wildcard"),
        (">=3.12", "3.14", "A range belongs into\nrequires-python in pyproject.toml."),
        (">=3.11,<3.13", "3.12", "not a range"),
        ("~=3.11.2", "3.11", "not a range"),
        ("^3.11", "3.11", "not a range"),
        ("==3.12", "3.12", "not a range"),
        ("latest", "3.14", "'latest' says too little"),
        ("3", "3.14", "'3' says too little"),
        ("3.x", "3.14", "'3.x' says too little"),
        ("312", "3.12", "says too little"),
        ("3.012", "3.12", "begin with a zero"),
        ("3.12 # LTS", "3.12", "A comment needs a line of its own."),
        ("3.12.1.1", "3.12.1", "two or three numbers"),
        ("3.12.", "3.12", "two or three numbers"),
        ("3.12 3.11", "3.12", "One version only"),
        ("3,12", "3.12", "A point belongs between"),
        ("\u200b3.12", "3.12", "U+200B, zero width space"),
        ("\u0663.12", "3.12", "not those of ASCII"),
        ("\uff13.12", "3.12", "not those of ASCII"),
        ("3.8.*", "3.14", "no wildcard"),
        ("my-virtualenv", "3.14", "a number like 3.13"),
    ],
)
def test_a_slip_comes_with_its_reason_and_the_version_to_write(
    value: str, version: str, reason: str
) -> None:
    found = slip(value)
    assert (found.kind, found.version) == (SlipKind.FORMAT, version)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("value", "kind", "version"),
    [
        ("pypy3.10", SlipKind.IMPLEMENTATION, "3.14"),
        ("pypy-3.10-7.3.12", SlipKind.IMPLEMENTATION, "3.14"),
        ("miniconda3-4.7.12", SlipKind.IMPLEMENTATION, "3.14"),
        ("graalpy-24.0", SlipKind.IMPLEMENTATION, "3.14"),
        ("3.13t", SlipKind.FREE_THREADED, "3.13"),
        ("3.13.1+freethreaded", SlipKind.FREE_THREADED, "3.13"),
        ("nogil-3.9.10", SlipKind.FREE_THREADED, "3.14"),
        ("3.15.0rc1", SlipKind.PRE_RELEASE, "3.15"),
        ("3.14-dev", SlipKind.PRE_RELEASE, "3.14"),
        ("python-3.16.0a1", SlipKind.PRE_RELEASE, "3.14"),
    ],
)
def test_what_we_do_not_have_is_told_apart(value: str, kind: SlipKind, version: str) -> None:
    found = slip(value)
    assert (found.kind, found.version) == (kind, version)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert slip('"v3.12" # ours').reason == (
        "A comment needs a line of its own.\n"
        "No quotes belong around it.\n"
        "In this file there is no 'v' before the number."
    )
