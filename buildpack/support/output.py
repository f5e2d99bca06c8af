"""The door to the screen: the only file that prints for the buildpack.

Steps go to standard output, notices, warnings and errors to standard error, in Heroku's form:
``-----> `` before a step, seven spaces before detail, `` !     `` before what needs attention.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from buildpack.support.errors import SlugkitError

BOLD_BLUE, BOLD_YELLOW, BOLD_RED, RESET = "\x1b[1;34m", "\x1b[1;33m", "\x1b[1;31m", "\x1b[0m"

LARGEST_LOG = 16 * 1024 * 1024
"""Characters of detail in one build; whoever prints more than people read is cut off."""

COMMAND = r"(?m)^    (?:echo|git|pdm|pip|pip-compile|pipenv|poetry|rm|touch|uv) "
"""How a line begins that messages offer to type."""


def wants_color(stream: TextIO, env: Mapping[str, str]) -> bool:
    """NO_COLOR (no-color.org) beats FORCE_COLOR beats "is it a terminal"."""
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR"):
        return True
    return stream.isatty() and env.get("TERM") != "dumb"


def typed_in(place: str, text: str) -> str:
    """``text`` with a ``cd`` before the first of the commands it offers."""
    if not place:
        return text
    import re
    import shlex

    entering = f"    cd {shlex.quote(place)}\n"
    return re.sub(COMMAND, lambda found: entering + found[0], text, count=1)


class Output:
    """Where a phase talks to the person watching; every text passes the redactor."""

    __slots__ = ("_left", "color", "err", "out", "place", "secrets")

    def __init__(
        self,
        *,
        out: TextIO | None = None,
        err: TextIO | None = None,
        color: bool = False,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.out, self.err = out or sys.stdout, err or sys.stderr
        self.color, self.secrets = color, secrets
        self.place = ""
        """below the source's root, where the commands in messages are to be typed"""
        self._left = LARGEST_LOG

    def step(self, text: str) -> None:
        self._write(self.out, f"-----> {text}")

    def info(self, text: str) -> None:
        for line in text.splitlines():
            if self._has_room(len(line)):
                self._write(self.out, f"       {line}".rstrip())

    def notice(self, text: str) -> None:
        self._block(BOLD_BLUE, "Note: ", typed_in(self.place, text))

    def warning(self, text: str) -> None:
        self._block(BOLD_YELLOW, "Warning: ", typed_in(self.place, text))

    def error(self, error: SlugkitError) -> None:
        place = "" if error.is_of_root else self.place
        self._block(BOLD_RED, "Error: ", typed_in(place, error.text()))

    def _block(self, color: str, label: str, text: str) -> None:
        self.out.flush()
        start, end = (color, RESET) if self.color else ("", "")
        lines = (label + text).splitlines()
        self._write(self.err, "")
        for line in lines:
            self._write(self.err, f" !     {start}{line}{end}".rstrip() if line else " !")
        self._write(self.err, "")

    def _has_room(self, length: int) -> bool:
        before, self._left = self._left, self._left - length - 1
        if before >= 0 > self._left:
            self._write(self.out, "       (More than 16 MiB were printed: the rest is left out.)")
        return self._left >= 0

    def _write(self, stream: TextIO, line: str) -> None:
        shown = redact(line, self.secrets)
        if "://" in shown and "@" in shown:
            from buildpack.support.urls import without_passwords

            shown = without_passwords(shown)
        if not shown.isprintable():
            from buildpack.support.terminal import harmless

            # Once more: a colour may stand in the middle of a secret.
            shown = redact(harmless(shown, color=self.color), self.secrets)
        stream.write(shown + "\n")
        stream.flush()


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every known secret value replaced. Values under four characters stay."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[redacted]")
    return text
