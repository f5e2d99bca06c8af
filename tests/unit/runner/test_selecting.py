"""A round of a loop, in which one call may close what another is about."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Iterator

import pytest

from runner.selecting import attend_ready


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as found:
        yield found


def readable() -> socket.socket:
    """One of a pair, whose other end has been closed."""
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


def test_each_that_is_ready_is_called_once(selector: selectors.BaseSelector) -> None:
    called: list[int] = []
    with readable() as one, readable() as two:
        selector.register(one, selectors.EVENT_READ, lambda: called.append(1))
        selector.register(two, selectors.EVENT_READ, lambda: called.append(2))
        attend_ready(selector, None)
    assert sorted(called) == [1, 2]


@pytest.mark.parametrize("is_replaced", [False, True], ids=["closed", "number taken anew"])
def test_what_was_closed_in_this_round_is_not_called(
    is_replaced: bool, selector: selectors.BaseSelector
) -> None:
    called: list[str] = []
    both = [readable(), readable()]
    others: list[socket.socket] = []

    def closes_the_other(ours: int) -> Callable[[], None]:
        def call() -> None:
            called.append("one")
            other = both[1 - ours]
            number = other.fileno()
            selector.unregister(other)
            other.close()
            if is_replaced:
                others.append(readable())
                assert others[0].fileno() == number
                selector.register(others[0], selectors.EVENT_READ, lambda: called.append("new"))

        return call

    for number, each in enumerate(both):
        selector.register(each, selectors.EVENT_READ, closes_the_other(number))
    attend_ready(selector, 0)
    assert called == ["one"]
    for each in (*both, *others):
        each.close()


def test_nothing_ready_is_waited_for_no_longer_than_said(selector: selectors.BaseSelector) -> None:
    reader, writer = os.pipe()
    selector.register(reader, selectors.EVENT_READ, lambda: pytest.fail("it was not ready"))
    attend_ready(selector, 0.01)
    os.close(reader)
    os.close(writer)
