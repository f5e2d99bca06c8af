"""poetry_constraint: Poetry's notations in the words of PEP 440."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from buildpack.installers.locks.poetry_constraint import (
    ConstraintError,
    alternatives,
    python_specifier,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("*", ("",)),
        ("^1.2.3", (">=1.2.3,<2",)),
        ("^0.2.3", (">=0.2.3,<0.3",)),
        ("^0.0.3", (">=0.0.3,<0.0.4",)),
        ("^0.0", (">=0.0,<0.1",)),
        ("^0", (">=0,<1",)),
        ("^1.2b1", (">=1.2b1,<2",)),
        ("~1.2.3", (">=1.2.3,<1.3",)),
        ("~1.2", (">=1.2,<1.3",)),
        ("~ 1", (">=1,<2",)),
        ("~=1.4.2", ("~=1.4.2",)),
        ("1.*", ("==1.*",)),
        ("1.2.x", ("==1.2.*",)),
        ("==1.2.*", ("==1.2.*",)),
        (">=3.*", (">=3",)),
        ("!=1.2.*", ("!=1.2.*",)),
        ("1.2.3", ("==1.2.3",)),
        ("=1.2.3", ("==1.2.3",)),
        ("v1.2", ("==1.2",)),
        ("===1.2", ("===1.2",)),
        ("2.1.0+cpu", ("==2.1.0+cpu",)),
        (">=1.2, <2, !=1.5", (">=1.2,<2,!=1.5",)),
        (">= 1.2 <2", (">=1.2,<2",)),
        ("~2.7 || ^3.6", (">=2.7,<2.8", ">=3.6,<4")),
        ("1.0|2.0", ("==1.0", "==2.0")),
        ("^1 || *", ("",)),
    ],
)
def test_a_constraint_in_the_words_of_pep_440(text: str, found: tuple[str, ...]) -> None:
    assert alternatives(text) == found
    for specifier in found:
        assert str(SpecifierSet(specifier)) is not None


@pytest.mark.parametrize("text", ["latest", "^x", ">=", "1.2 foo"])
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(ConstraintError):
        alternatives(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("^3.11", ">=3.11,<4"),
        (">=3.10,<4.0", ">=3.10,<4.0"),
        ("*", ""),
        ("~2.7 || ^3.6", ">=3.6,<4"),
        ("3.11.* || 3.12.*", ">=3.11,<3.13"),
        (">=3.12 || 3.10.*", ">=3.10"),
        ("3.11.4 || 3.12.1", ">=3.11.4,<=3.12.1"),
        ("~=3.10.2 || ^3.12", ">=3.10.2,<4"),
        ("~2.7", ">=2.7,<2.8"),
    ],
)
def test_a_python_constraint_is_one_specifier(text: str, found: str) -> None:
    assert python_specifier(text) == found
