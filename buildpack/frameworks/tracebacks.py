"""Reads what Python printed when a program of the app failed, from the end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildpack.support.errors import printable

EXCEPTION = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*)(?:: (.*))?$")


def last_exception(lines: Sequence[str]) -> tuple[int, str, str]:
    """Where the last exception is, its class and its text; ``(-1, "", "")`` without one."""
    starts = [n for n, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    first = starts[-1] if starts else 0
    for number in range(len(lines) - 1, first - 1, -1):
        match = EXCEPTION.match(lines[number])
        if match and match[1].endswith(("Error", "Exception", "Configured", "NotFound")):
            return number, match[1], match[2] or ""
    return -1, "", ""


FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)')


def last_place(lines: Sequence[str], *, of_the_app: bool = True) -> str:
    """``settings.py, line 12``: the last frame of the traceback, outside of packages."""
    for line in reversed(lines):
        match = FRAME.match(line)
        if match and not (of_the_app and _is_foreign(match[1])):
            return f"{printable(match[1])}, line {match[2]}"
    return ""


def _is_foreign(path: str) -> bool:
    return path.startswith((".heroku/", "/", "<")) or "site-packages/" in path


def find_line(lines: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> tuple[int, str]:
    """The last line that has one of ``patterns``, and its number; ``(-1, "")`` without one."""
    for number in range(len(lines) - 1, -1, -1):
        if any(pattern.search(lines[number]) for pattern in patterns):
            return number, lines[number]
    return -1, ""


def last_line(lines: Sequence[str]) -> str:
    """The last line that says anything."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
