"""What is printed reaches a log without what a terminal would obey."""

from __future__ import annotations

import pytest

from slugc.plain_text import colored_text, plain_text


@pytest.mark.parametrize(
    ("text", "plain", "colored"),
    [
        ("plain é ✓", "plain é ✓", "plain é ✓"),
        ("\x1b[1;31mred\x1b[0m", "red", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[38;2;1;2;3mx", "x", "\x1b[38;2;1;2;3mx"),
        ("\x1b]0;title\x07x", "x", "x"),
        ("\x1b]8;;http://h\x1b\\link\x1b]8;;\x1b\\", "link", "link"),
        ("\x1b[2J\x1b[10;10Hx\x1b[K", "x", "x"),
        ("a\x00b\x08c\x7f\x9bd", "abcd", "abcd"),
        ("tab\there", "tab\there", "tab\there"),
        ("cut \x1b[1", "cut [1", "cut [1"),
        ("\x1bcreset", "reset", "reset"),
    ],
)
def test_escapes_and_controls(text: str, plain: str, colored: str) -> None:
    assert plain_text(text) == plain
    assert colored_text(text) == colored
