"""A call made aside answers like one made here."""

from __future__ import annotations

import threading

import pytest

from slugc.aside import Aside


def test_its_result_is_waited_for() -> None:
    assert Aside(lambda: 1 + 1).result() == 2


def test_its_error_is_raised_where_the_result_is_asked_for() -> None:
    failing = Aside(lambda: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result()


def test_a_call_that_is_stopped_ends_where_it_is() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        try:
            while True:
                begun.set()
        finally:
            ended.set()

    call = Aside(work)
    assert begun.wait(30)
    assert not call.ends_within(0)
    call.stop()
    assert ended.wait(30)
    assert call.ends_within(30)
