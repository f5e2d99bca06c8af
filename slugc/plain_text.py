"""What other people's programs print, made harmless: to a terminal, a log, a slug."""

from __future__ import annotations

import re

# ECMA-48: control sequences, operating system commands, and escapes of a character or two.
_ESCAPE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])"
_COLOR = r"\x1b\[[0-9;:]*m"
_ESCAPES = re.compile(_ESCAPE)
_BUT_COLORS = re.compile(rf"(?!{_COLOR})(?:{_ESCAPE}|\x1b)")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_CONTROLS_BUT_ESCAPE = re.compile(r"[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]")


def plain_text(text: str) -> str:
    """``text`` without escape sequences and control characters."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def colored_text(text: str) -> str:
    """``text`` with its colours, and without all else that a terminal obeys: titles, moves."""
    return _CONTROLS_BUT_ESCAPE.sub("", _BUT_COLORS.sub("", text))
