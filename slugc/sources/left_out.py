"""What a build left out of the slug and why, for the record of that build.

Not for the slug: whether a log file, a virtualenv or an earlier slug lies about in a source must
not change what is built from it. Anyone who has the slug alone is told by its .slugignore, which
is in it. A directory that is left out is one row; nothing below it was looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from buildpack.support.values import NOTHING, value

MOST = 200
MOST_BYTES = 16 * 1024
"""Of the paths together."""

HISTORY = "version control"
BYTECODE = "bytecode cache"
SLUG = "a slug in the source's root"
VIRTUALENV = "virtualenv"
NODE_MODULES = "what package.json asks for"


@value
class LeftOut:
    """Paths with their reasons, and how many there were in all, those without a row included."""

    reasons: Mapping[str, str] = NOTHING
    count: int = 0


class LeftOutNotes:
    """Gathers what is left out. Reasons are made for those that get a row alone."""

    def __init__(self, known: LeftOut | None = None) -> None:
        self._reasons: dict[str, str] = dict(known.reasons) if known else {}
        self._count = known.count if known else 0
        self._bytes = sum(len(os.fsencode(path)) for path in self._reasons)

    def add(self, path: str, reason: str | Callable[[], str]) -> None:
        """Note that ``path``, relative to the root, was left out."""
        self._count += 1
        size = len(os.fsencode(path))
        if len(self._reasons) < MOST and self._bytes + size <= MOST_BYTES:
            self._reasons[path] = reason if isinstance(reason, str) else reason()
            self._bytes += size

    def result(self) -> LeftOut:
        return LeftOut(reasons=self._reasons, count=self._count)
