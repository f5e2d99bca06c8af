"""One row at the bottom of a terminal."""

from __future__ import annotations

import io

import pytest

from slugc.progress_live import LiveProgress, shown_time
from slugc.status_line import SPARE, StatusLine, fitted, text_width
from tests.waiting import until


class Terminal(io.StringIO):
    """A stream as wide as ``columns`` at the moment."""

    columns = 80

    def line(self, picture: str) -> StatusLine:
        return StatusLine(self, lambda room: picture[:room], columns=lambda _stream: self.columns)

    def taken(self) -> str:
        """What was written since the last time."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def test_a_line_and_the_row_below_it_are_one_write() -> None:
    terminal = Terminal()
    status = terminal.line("busy")

    status.above("one\n")
    assert terminal.taken() == "one\nbusy"
    status.above("two\n")
    assert terminal.taken() == "\r\x1b[Ktwo\nbusy"
    status.stop()
    assert terminal.taken() == "\r\x1b[K"
    status.above("last\n")
    assert terminal.taken() == "last\n"


def test_a_row_leaves_room_for_what_a_terminal_shows_on_ctrl_c() -> None:
    terminal = Terminal()
    terminal.line("x" * 100).above("")

    assert len(terminal.getvalue()) == 80 - SPARE


def test_a_terminal_that_became_narrower_is_left_clean() -> None:
    """It has put the end of the row into rows below, from which it is taken away too."""
    terminal = Terminal()
    status = terminal.line("x" * 70)
    status.above("")
    terminal.taken()

    terminal.columns = 30
    status.above("one\n")

    assert terminal.taken() == f"\x1b[2A\r\x1b[Jone\n{'x' * 27}"


def test_a_terminal_without_room_gets_lines_alone() -> None:
    terminal = Terminal()
    terminal.columns = 10
    terminal.line("busy").above("one\n")

    assert terminal.getvalue() == "one\n"


def test_the_row_is_drawn_again_while_nothing_is_said() -> None:
    terminal = Terminal()
    status = terminal.line("busy")
    status.start()
    until(lambda: terminal.getvalue().count("busy") >= 2)
    status.stop()

    assert terminal.getvalue().startswith("busy\r\x1b[Kbusy")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_no_state_of_the_terminal_is_changed() -> None:
    """Neither is the cursor hidden nor wrapping off: whoever kills us leaves nothing behind."""
    terminal = Terminal()
    status = terminal.line("busy")
    status.start()
    status.above("one\n")
    status.stop()

    assert "\x1b[?" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("exactly ten", 10, "exactly t…"),
        ("two words", 5, "two…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("text", 0, ""),
    ],
)
def test_what_does_not_fit_ends_in_an_ellipsis(text: str, columns: int, shown: str) -> None:
    assert fitted(text, columns) == shown
    assert text_width(shown) <= columns


def test_a_combining_character_takes_no_room() -> None:
    assert text_width("e\N{COMBINING ACUTE ACCENT}") == 1


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (42.7, "42 s"), (185, "3:05 min")]
)
def test_times(seconds: float, shown: str) -> None:
    assert shown_time(seconds) == shown


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (80, "| Installing the packages in uv.lock, 1,234 packages  0.0 s (0.0 s in all)"),
        (60, "| Installing the packages in uv.lock, 1,234 packages  0.0 s"),
        (55, "| Installing the packages in uv…, 1,234 packages  0.0 s"),
        (40, "| Installing the packages in uv.…  0.0 s"),
        (20, "| Installing…  0.0 s"),
    ],
)
def test_the_row_says_what_there_is_room_for(columns: int, row: str) -> None:
    progress = LiveProgress(io.StringIO(), color=False, clock=float)
    progress.line("-----> Installing the packages in uv.lock")
    progress.line("       Installed 1,234 packages in 2 s")

    assert progress.picture(columns) == row


def test_bytes_are_counted_in_the_row_until_the_next_step() -> None:
    progress = LiveProgress(io.StringIO(), color=False, clock=float)
    progress.step("Packing the slug")
    progress.moved("packed", 12_345_678)
    assert progress.picture(80) == "| Packing the slug, 12.3 MB packed  0.0 s (0.0 s in all)"

    progress.step("Done")
    assert progress.picture(80) == "| Done  0.0 s (0.0 s in all)"


def test_a_step_with_orders_to_the_terminal_is_shown_without() -> None:
    stream = io.StringIO()
    progress = LiveProgress(stream, color=True)
    progress.line("\x1b[1m-----> A bold\x1b]0;title\x07 step\x1b[0m")

    assert progress.picture(80).startswith("| A bold step  ")
    assert stream.getvalue().startswith("\x1b[1;36m----->\x1b[0m A bold step\n")


def test_the_end_says_where_the_time_went_and_how_to_go_on() -> None:
    stream = io.StringIO()
    progress = LiveProgress(stream, color=False, hints=True, columns=lambda _stream: 10)
    for phase, took in (("stage", 0.02), ("compile", 3.0), ("compile", 1.25), ("report", 9.0)):
        progress.event("phase_ended", phase=phase, buildpack=None, ok=True, duration=took)
    progress.event("result", process_types={"clock": "x", "web": "y"}, slug="/tmp/my app.slug")

    assert stream.getvalue() == (
        "       Time: compile 4.2 s\n       To run it: slug-run web --slug '/tmp/my app.slug'\n"
    )
