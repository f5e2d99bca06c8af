"""What programs print, made harmless: no orders to the terminal or the log of who reads it."""

from __future__ import annotations

import re

SEQUENCE = (
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
"""What a terminal takes for an order (ECMA-48): colours, moves of the cursor, window titles."""
CONTROL = r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
"""Other characters that are no text: bytes that are none, and those that turn its direction."""
UNSEEN = re.compile(rf"(?P<sequence>{SEQUENCE})|{CONTROL}")
COLOR = re.compile(r"\x1b\[[0-9;:]*m")


def harmless(line: str, *, color: bool) -> str:
    """``line`` without orders, but for colours where they are wanted; the rest is escaped."""

    def shown(match: re.Match[str]) -> str:
        if match["sequence"] is None:
            return match[0].encode("unicode_escape").decode("ascii")
        return match[0] if color and COLOR.fullmatch(match[0]) else ""

    return UNSEEN.sub(shown, line)
