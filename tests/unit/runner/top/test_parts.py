"""Keys, the screen, the machine, and the thread that looks."""

from __future__ import annotations

import os
import pty
import select
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import UsageError
from runner.top.figures import Order
from runner.top.keys import Key, followed, parse_keys
from runner.top.look import Look
from runner.top.looking import Looking
from runner.top.machine import read_machine
from runner.top.picture import View
from runner.top.screen import Screen
from runner.top.spans import Span
from tests.unit.runner.top.samples import look, row


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("q", [Key.QUIT]),
        ("jk", [Key.NEXT, Key.PREVIOUS]),
        ("\x1b[A\x1b[B", [Key.UP, Key.DOWN]),
        ("\x1bOC\x1bOD", [Key.NEXT, Key.PREVIOUS]),
        ("\x1b[5~\x1b[6~", [Key.PAGE_UP, Key.PAGE_DOWN]),
        ("\x1b[1;5Cj", [Key.NEXT]),
        ("xyz\x1b", []),
        ("\x1b[", []),
        ("\x1bq", [Key.QUIT]),
    ],
)
def test_keys_as_terminals_send_them(typed: str, keys: list[Key]) -> None:
    assert parse_keys(typed) == keys


def test_the_order_goes_round_and_starts_at_the_top() -> None:
    view = View(top=9)
    assert followed(view, Key.NEXT) == View(order=Order.CPU)
    assert followed(view, Key.PREVIOUS) == View(order=Order.RESTARTS)
    assert followed(View(order=Order.RESTARTS), Key.NEXT) == View()


def test_scrolling_stays_at_the_beginning() -> None:
    assert followed(View(), Key.PAGE_UP).top == 0
    assert followed(View(top=5), Key.DOWN).top == 6
    assert followed(View(top=5), Key.HOME).top == 0


class Terminal:
    """Both ends of a pseudo-terminal."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()

    def shown(self) -> str:
        found = b""
        while select.select([self.ours], [], [], 0.05)[0]:
            found += os.read(self.ours, 65536)
        return found.decode().replace("\r\r\n", "\r\n")  # the terminal's own ONLCR


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    os.close(made.ours)
    os.close(made.theirs)


def test_the_terminal_is_given_back_as_it_was(terminal: Terminal) -> None:
    before = termios.tcgetattr(terminal.theirs)
    with Screen(terminal.theirs, terminal.theirs, color=False):
        during = termios.tcgetattr(terminal.theirs)
    assert not during[3] & (termios.ECHO | termios.ICANON)
    assert during[3] & termios.ISIG
    assert termios.tcgetattr(terminal.theirs) == before
    shown = terminal.shown()
    assert shown.startswith("\x1b[?1049h\x1b[?25l\x1b[?7l")
    assert shown.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")


def test_a_full_row_keeps_its_last_character(terminal: Terminal) -> None:
    termios.tcsetwinsize(terminal.theirs, (3, 5))
    screen = Screen(terminal.theirs, terminal.theirs, color=False)
    assert screen.size() == (3, 5)
    screen.draw([(Span(text="12345"),), (Span(text="123456789"),), (Span(text="x"),)])
    assert terminal.shown() == "\x1b[H12345\r\n12345\r\nx\x1b[K"
    screen.draw([(Span(text="x"),)])
    assert terminal.shown() == "\x1b[Hx\x1b[K\x1b[J"


def test_more_lines_than_rows_are_left_out(terminal: Terminal) -> None:
    termios.tcsetwinsize(terminal.theirs, (1, 5))
    screen = Screen(terminal.theirs, terminal.theirs, color=False)
    screen.draw([(Span(text="a"),), (Span(text="b"),)])
    assert terminal.shown() == "\x1b[Ha\x1b[K"


def test_a_terminal_that_says_no_size_has_the_usual_one(terminal: Terminal) -> None:
    assert Screen(terminal.theirs, terminal.theirs, color=False).size() == (24, 80)


def test_the_machine_in_three_numbers(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 4000 kB\nMemFree: 1 kB\nMemAvailable: 1000 kB\nOdd\nX: y\n")
    found = read_machine(meminfo)
    assert (found.memory, found.memory_limit) == (3000 * 1024, 4000 * 1024)
    assert found.processors >= 1
    assert len(found.load) == 3


def test_looks_come_one_after_the_other() -> None:
    with Looking(lambda: look(row("web.1")), interval=0.001) as looking:
        seen: list[Look] = []
        while len(seen) < 3:
            assert select.select([looking], [], [], 30)[0]
            seen += looking.news()
    assert {each.app for each in seen} == {"polls"}


def test_what_went_wrong_in_a_look_is_told_to_who_waits() -> None:
    def take() -> Look:
        raise UsageError("There is no app called polls")

    with Looking(take, interval=0.001) as looking:
        assert select.select([looking], [], [], 30)[0]
        with pytest.raises(UsageError, match="no app called polls"):
            looking.news()
