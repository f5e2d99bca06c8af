"""A person's terminal, lent and given back."""

from __future__ import annotations

import os
import termios

import pytest

from runner.terminal import copy_size, raw_mode


def test_it_is_given_back_as_it_was() -> None:
    window, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    with raw_mode(terminal):
        assert termios.tcgetattr(terminal) != before
    assert termios.tcgetattr(terminal) == before
    os.close(window)
    os.close(terminal)


def test_one_that_is_closed_meanwhile_is_no_error() -> None:
    window, terminal = os.openpty()
    other, copied_to = os.openpty()
    with raw_mode(terminal):
        os.close(window)
        with pytest.raises(termios.error):
            termios.tcgetattr(terminal)
        copy_size(terminal, copied_to)
    for descriptor in (terminal, other, copied_to):
        os.close(descriptor)
