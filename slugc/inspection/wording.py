"""Sizes, numbers and tables as a terminal shows them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from buildpack.support.errors import printable

UNITS = ("B", "kB", "MB", "GB", "TB")
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def size_text(size: int) -> str:
    """``812 B``, ``4.1 kB``, ``93.4 MB``: thousands, as disks and downloads are counted."""
    number, unit = float(size), 0
    while number >= 999.95 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {UNITS[unit]}" if unit else f"{size} B"


def change_text(size: int) -> str:
    """``+4.1 kB``, ``-812 B``, and ``=`` for none."""
    return f"{'+' if size > 0 else '-'}{size_text(abs(size))}" if size else "="


def counted(number: int, one: str, many: str = "") -> str:
    """``1 file``, ``14,000 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def bar(share: float, width: int) -> str:
    """A bar that fills ``share`` of ``width`` columns, to an eighth of a column."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, cut at its beginning: a path's end is what tells."""
    shown = printable(text, limit=8192)
    return shown if len(shown) <= width else f"…{shown[-max(1, width - 1) :]}"


def table(rows: Iterable[Sequence[str]], *, right: Iterable[int] = (), indent: str = "  ") -> str:
    """Columns of the width their longest cell needs, two spaces apart; ``right`` align right."""
    all_rows = [tuple(row) for row in rows]
    if not all_rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*all_rows, strict=True)]
    to_right = frozenset(right)
    lines = (
        "  ".join(
            cell.rjust(width) if place in to_right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in all_rows
    )
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)


def pairs(rows: Iterable[tuple[str, str]], *, width: int, indent: str = "  ") -> str:
    """Names and texts beside them; a text that is too long goes on below itself."""
    all_rows = tuple(rows)
    column = max((len(name) for name, _ in all_rows), default=0) + 2
    lines: list[str] = []
    for name, text in all_rows:
        wrapped = textwrap.wrap(
            text,
            max(20, width - column - len(indent)),
            break_on_hyphens=False,
            break_long_words=False,
        )
        first, *more = wrapped or [""]
        lines.append(f"{indent}{name:<{column}}{first}".rstrip())
        lines += [f"{indent}{'':<{column}}{line}" for line in more]
    return "".join(f"{line}\n" for line in lines)
