"""SLUGKIT_TRIM: what the user wants left out to make the slug smaller."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from buildpack.support.errors import UsageError, printable

TRIM = "SLUGKIT_TRIM"


class Trim(StrEnum):
    """What can be left out, under the names SLUGKIT_TRIM takes."""

    TESTS = "tests"
    PYCACHE = "pycache"
    TYPES = "types"
    HEADERS = "headers"
    PO = "po"


WHAT_THEY_ARE = {
    Trim.TESTS: "test suites of packages",
    Trim.PYCACHE: "bytecode (every process compiles what it imports)",
    Trim.TYPES: "type stubs (.pyi)",
    Trim.HEADERS: "C sources and headers, of packages and of Python",
    Trim.PO: "sources of translations (.po), whose .mo is used",
}

OF_THE_RUNTIME = frozenset({Trim.PYCACHE, Trim.HEADERS})
"""Python itself has these as well. It is then no longer the one that other apps share."""


class UnknownTrimError(UsageError):
    """SLUGKIT_TRIM holds words we do not know."""

    id = "settings::trim"

    def __init__(self, unknown: tuple[str, ...]) -> None:
        self.unknown = unknown
        words = ", ".join(f"'{printable(word)}'" for word in unknown)
        width = max(map(len, Trim))
        known = "\n".join(f"    {word:<{width}}  {what}" for word, what in WHAT_THEY_ARE.items())
        super().__init__(
            f"{TRIM} has a word that we do not know"
            if len(unknown) == 1
            else f"{TRIM} has words that we do not know",
            details=f"Found: {words}",
            resolution=f"Use one or more of these, with commas between them:\n\n{known}",
        )


def parse_trim(words: Collection[str]) -> tuple[Trim, ...]:
    """The choices, each once and in one order. Raises with all that are unknown."""
    unknown = tuple(dict.fromkeys(word for word in words if word.lower() not in set(Trim)))
    if unknown:
        raise UnknownTrimError(unknown)
    chosen = {word.lower() for word in words}
    return tuple(choice for choice in Trim if choice in chosen)
