"""Sizes and spans of time, as people write them."""

from __future__ import annotations

import re

from buildpack.support.errors import UsageError, printable

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400.0


class SizeError(UsageError):
    """A memory or disk size that is none."""

    id = "size"

    def __init__(self, text: str, option: str = "--memory") -> None:
        super().__init__(
            f"'{printable(text)}' is not a {option.strip('-')} size",
            resolution="Give a number with a unit, 4M at least, or the word none for no limit:\n\n"
            f"    {option} 512M",
        )


class TimeLimitError(UsageError):
    """A span of time that is none."""

    id = "time-limit"

    def __init__(self, text: str, option: str = "--time-limit") -> None:
        super().__init__(
            f"'{printable(text)}' is not a time limit",
            resolution="Give a number with a unit (s, m, h, d), or the word none for no limit:\n\n"
            f"    {option} 10m",
        )


def parse_time_limit(text: str, *, option: str = "--time-limit") -> float | None:
    """Seconds from ``90s``, ``10m``, ``2h``, ``1d`` or ``90``; None from ``none``."""
    if text == "none":
        return None
    found = re.fullmatch(r"([0-9]{1,8}(?:\.[0-9]{1,3})?)([smhd]?)", text)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST:
        raise TimeLimitError(text, option)
    return seconds


def parse_size(text: str, *, option: str = "--memory") -> int | None:
    """Bytes from ``512M``; None from ``none``."""
    if text == "none":
        return None
    found = re.fullmatch(r"([0-9]{1,12})([KMGT]?)i?B?", text, re.IGNORECASE)
    size = int(found[1]) << 10 * " KMGT".index(found[2].upper() or " ") if found else 0
    if size < 4 << 20:  # less than this no interpreter starts, and a bare number was bytes
        raise SizeError(text, option)
    return size
