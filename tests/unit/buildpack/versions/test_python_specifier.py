"""python_specifier: the same answers as `packaging`, without importing it for what is common."""

from __future__ import annotations

import itertools

import pytest
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildpack.versions.python_specifier import SpecifierError, parse_specifier, suggest_specifier

RELEASES = [(3, minor, patch) for minor in (0, 9, 10, 11, 12, 13) for patch in (0, 1, 7, 12)]
RELEASES += [(2, 7, 18), (4, 0, 0)]
OPERATORS = ("~=", "==", "!=", "<=", ">=", "<", ">")
VERSIONS = (
    "3", "4", "3.1", "3.11", "3.12", "3.11.0", "3.11.7", "3.12.1", "v3.12", "3.11.0.0",
    "3.12.1.0.1",     "3.*", "3.11.*", "3.12.1.*", "3.12.1.0.*",
    "3.12rc1", "3.12.0a1", "3.12.1b2", "3.13.dev0", "3.12.0-rc.1", "3.12a1.dev2", "3.12rc1.*",
)  # fmt: skip


def packaging_says(text: str) -> list[bool] | None:
    try:
        specifiers = SpecifierSet(text)
    except InvalidSpecifier:
        return None
    return [specifiers.contains(".".join(map(str, release))) for release in RELEASES]


def we_say(text: str) -> list[bool] | None:
    try:
        accepts = parse_specifier(text)
    except SpecifierError:
        return None
    return [accepts(release) for release in RELEASES]


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_common_clause_means_what_packaging_says(operator: str) -> None:
    for version in VERSIONS:
        for clause in (f"{operator}{version}", f" {operator}  {version} "):
            assert we_say(clause) == packaging_says(clause), clause


def test_clauses_together_mean_what_packaging_says() -> None:
    clauses = (">=3.11", "<4", "!=3.12.*", "~=3.11", "<3.12.7", "==3.*", "")
    for pair in itertools.product(clauses, repeat=2):
        text = ",".join(pair)
        assert we_say(text) == packaging_says(text), text


@pytest.mark.parametrize(
    "text", ["===3.12.1", "===3.12", "=== 3.12.1", ">=3.12RC1", ">= v3.12", "", ","]
)
def test_rare_texts_mean_what_packaging_says(text: str) -> None:
    assert we_say(text) == packaging_says(text)


@pytest.mark.parametrize("text", ["==1!3.12", ">=3.12.1.post1", "==3.12+local"])
def test_what_no_python_release_has_is_refused(text: str) -> None:
    assert we_say(text) is None


@pytest.mark.parametrize(
    "text",
    ["^3.11", "3.11", "~3.11", "*", ">=3.11 <4", "=>3.11", ">=3.11.*", "latest", "<", "==three"],
)
def test_what_packaging_refuses_is_refused(text: str) -> None:
    assert packaging_says(text) is None
    assert we_say(text) is None


def test_every_wrong_clause_is_named() -> None:
    with pytest.raises(SpecifierError) as caught:
        parse_specifier("^3.11, >=3.10, <<4")
    assert caught.value.clauses == ("^3.11", "<<4")


@pytest.mark.parametrize(
    ("clause", "meant"),
    [
        ("^3.11", ">=3.11,<4"),
        ("^3", ">=3,<4"),
        ("~3.11", ">=3.11,<3.12"),
        ("~3.11.2", ">=3.11.2,<3.12"),
        ("3.11", "==3.11.*"),
        ("3.11.x", "==3.11.*"),
        ("=3.11.2", "==3.11.2"),
        ("3.11.2", "==3.11.2"),
        (">=3.11 <4", ">=3.11,<4"),
        ("=>3.11", ">=3.11"),
        (">=3.11.*", ">=3.11"),
        (">=3.11 || >=3.13", ""),
        ("latest", ""),
    ],
)
def test_a_slip_comes_with_what_was_meant(clause: str, meant: str) -> None:
    assert suggest_specifier(clause) == meant
    if meant:
        assert packaging_says(meant) is not None
