"""Sizes and spans of time are read as people write them, or refused with an example."""

from __future__ import annotations

import pytest

from runner.amounts import SizeError, TimeLimitError, parse_size, parse_time_limit


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 << 20), ("1g", 1 << 30), ("4096K", 4 << 20), ("1GiB", 1 << 30), ("none", None)],
)
def test_parse_size(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "512", "-1M", "1.5G", "M", "3M", "9" * 13])
def test_parse_size_refuses(text: str) -> None:
    with pytest.raises(SizeError) as caught:
        parse_size(text)
    assert caught.value.text() == (
        f"'{text}' is not a memory size\n\n"
        "Give a number with a unit, 4M at least, or the word none for no limit:\n\n"
        "    --memory 512M"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5s", 1.5), ("10m", 600), ("2h", 7200), ("1d", 86400),
     ("none", None)],
)  # fmt: skip
def test_parse_time_limit(text: str, seconds: float | None) -> None:
    assert parse_time_limit(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "1w", "soon", "1e3", "400d", "9" * 9])
def test_parse_time_limit_refuses(text: str) -> None:
    with pytest.raises(TimeLimitError) as caught:
        parse_time_limit(text)
    assert caught.value.text() == (
        f"'{text}' is not a time limit\n\n"
        "Give a number with a unit (s, m, h, d), or the word none for no limit:\n\n"
        "    --time-limit 10m"
    )
