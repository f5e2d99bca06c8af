"""How much of what was read can be logged."""

from __future__ import annotations

import pytest

from runner.logbook.intake import whole_lines
from runner.logs import MAX_LINE


@pytest.mark.parametrize(
    ("chunk", "to_the_end", "expected"),
    [
        (b"", False, (0, False)),
        (b"abc", False, (0, False)),
        (b"abc", True, (3, False)),
        (b"abc\nde", False, (4, False)),
        (b"abc\r", False, (0, False)),
        (b"abc\r", True, (4, False)),
        (b"abc\rd", False, (4, False)),
        (b"x" * MAX_LINE, False, (0, False)),
        (b"x" * (MAX_LINE + 1), False, (MAX_LINE, True)),
    ],
)
def test_how_much_can_be_logged(chunk: bytes, to_the_end: bool, expected: object) -> None:
    assert whole_lines(chunk, to_the_end=to_the_end) == expected
