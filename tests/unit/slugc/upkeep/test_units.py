"""Ages and sizes: what is taken, what is refused, and how they are shown."""

from __future__ import annotations

import pytest

from buildpack.support.errors import ExitCode
from slugc.upkeep.units import (
    AgeError,
    DiskSizeError,
    in_columns,
    parse_age,
    parse_disk_size,
    shown_age,
    shown_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("45s", 45), ("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)],
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "-1d", "1 d", "d", "1y", "1e3s", "30 days", "0x1d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(AgeError) as caught:
        parse_age(text)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.text() == (
        f"'{text}' is not an age\n\n"
        "Give a number and a unit, s, m, h, d or w (weeks), or 0:\n\n"
        "    --older-than 30d"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("10G", 10_000_000_000),
        ("10GB", 10_000_000_000),
        ("10g", 10_000_000_000),
        ("1.5M", 1_500_000),
        ("512K", 512_000),
        ("2Gi", 2 * 1024**3),
        ("2GiB", 2 * 1024**3),
        ("1T", 1_000_000_000_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_disk_size(text) == size


@pytest.mark.parametrize("text", ["", "10", "-1G", "10 G", "G", "10X", "1B", "ten"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(DiskSizeError) as caught:
        parse_disk_size(text)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.text() == (
        f"'{text}' is not a size\n\n"
        "Give a number and a unit, K, M, G or T (of 1000) or Ki, Mi, Gi or Ti (of\n"
        "1024), for example:\n\n    --max-size 10G"
    )


def test_the_option_with_the_wrong_size_is_named() -> None:
    with pytest.raises(DiskSizeError, match="is not a size") as caught:
        parse_disk_size("10", "--warn-size")
    assert caught.value.text().endswith("\n\n    --warn-size 10G")


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (27_345, "27.3 kB"),
        (999_900, "1.0 MB"),
        (139_054_000, "139 MB"),
        (1_234_567_890, "1.2 GB"),
        (5_000_000_000_000, "5.0 TB"),
    ],
)
def test_shown_sizes(size: int, shown: str) -> None:
    assert shown_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (86_400 * 20, "20d"), (86_400 * 70, "10w")],
)
def test_shown_ages(seconds: float, shown: str) -> None:
    assert shown_age(seconds) == shown


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert in_columns([("A", "B", "C"), ("long", "x", "")]) == "A     B  C\nlong  x\n"
