"""A call made aside answers like one made here."""

from __future__ import annotations

import pytest

from slugc.aside import Aside


def test_its_result_is_waited_for() -> None:
    assert Aside(lambda: 1 + 1).result() == 2


def test_its_error_is_raised_where_the_result_is_asked_for() -> None:
    failing = Aside(lambda: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result()
