"""Ages and sizes as people type them, and as they are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildpack.support.errors import UsageError, printable

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_POWERS = "kmgt"
_AGE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw])")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([kmgt]?)(i?)b?", re.IGNORECASE)


class AgeError(UsageError):
    """An age that is none."""

    id = "age"

    def __init__(self, text: str) -> None:
        self.text_given = text
        super().__init__(
            f"'{printable(text)}' is not an age",
            resolution="Give a number and a unit, s, m, h, d or w (weeks), or 0:\n\n"
            "    --older-than 30d",
        )


class DiskSizeError(UsageError):
    """A size that is none."""

    id = "disk-size"

    def __init__(self, text: str, flag: str = "--max-size") -> None:
        self.text_given, self.flag = text, flag
        super().__init__(
            f"'{printable(text)}' is not a size",
            resolution="Give a number and a unit, K, M, G or T (of 1000) or Ki, Mi, Gi or Ti (of\n"
            f"1024), for example:\n\n    {flag} 10G",
        )


def parse_age(text: str) -> float:
    """Seconds from ``30d``."""
    if text == "0":
        return 0.0
    found = _AGE.fullmatch(text)
    if found is None:
        raise AgeError(text)
    return float(found[1]) * _SECONDS[found[2]]


def parse_disk_size(text: str, flag: str = "--max-size") -> int:
    """Bytes from ``10G``. A number without a unit could be anything, so it is refused."""
    if text == "0":
        return 0
    found = _SIZE.fullmatch(text)
    if found is None or not found[2]:
        raise DiskSizeError(text, flag)
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** (_POWERS.index(found[2].lower()) + 1))


def shown_size(size: int) -> str:
    """``27.3 kB``: three digits, in the units that --max-size takes."""
    amount, units = float(size), iter(("B", "kB", "MB", "GB"))
    for unit in units:
        if amount < 999.5:
            return (
                f"{amount:.0f} {unit}"
                if unit == "B" or amount >= 99.95
                else (f"{amount:.1f} {unit}")
            )
        amount /= 1000
    return f"{amount:.1f} TB"


def shown_age(seconds: float) -> str:
    """``12d``: one unit, as --older-than takes it."""
    for unit, limit in (("w", 8), ("d", 1), ("h", 1), ("m", 1)):
        if seconds >= limit * _SECONDS[unit]:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{max(int(seconds), 0)}s"


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"
