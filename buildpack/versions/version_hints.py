"""What somebody meant who wrote something else than X.Y or X.Y.Z into a version file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from enum import StrEnum

from buildpack.support.values import value
from buildpack.versions.python_specifier import SpecifierError, parse_specifier

NUMBER = r"(\d+)\.(\d+)(?:\.(\d+))?"
OTHERS = (
    "pypy", "graalpy", "graalpython", "jython", "ironpython", "stackless", "micropython",
    "rustpython", "pyston", "cinder", "miniconda", "anaconda", "mambaforge", "miniforge",
    "micromamba", "activepython",
)  # fmt: skip
"""What pyenv can install besides CPython."""


class SlipKind(StrEnum):
    """Whether it is only written wrongly, or asks for what we do not have."""

    FORMAT = "format"
    FREE_THREADED = "free-threaded"
    PRE_RELEASE = "pre-release"
    IMPLEMENTATION = "implementation"


@value
class Slip:
    """What is wrong with a line, and the version to write instead."""

    kind: SlipKind
    reason: str
    version: str


LONGEST_VALUE = 200
"""Of a line that is looked at for hints; no mistake in writing a version is longer."""

Rule = tuple[str, SlipKind, Callable[["re.Match[str]"], str]]
FORMAT = SlipKind.FORMAT
RULES: tuple[Rule, ...] = (
    (
        rf"({'|'.join(OTHERS)})[-\d.].*|({'|'.join(OTHERS)})",
        SlipKind.IMPLEMENTATION,
        lambda m: "Apps run on CPython, the Python of python.org, alone.",
    ),
    (
        rf"(?:c?python[-@]?)?{NUMBER}(?:t|[-+](?:freethreaded|free-threaded|nogil))|nogil.*",
        SlipKind.FREE_THREADED,
        lambda m: (
            "Builds without the global interpreter lock are not offered: too many\n"
            "packages have no wheels for them."
        ),
    ),
    (
        rf"(?:c?python[-@]?)?{NUMBER}[-_.]?(?:a|b|c|rc|alpha|beta|dev|pre)[-_.]?\d*",
        SlipKind.PRE_RELEASE,
        lambda m: "Only final releases are offered.",
    ),
    (
        r"[<>=!~^].*|.*[<>=!~^]\s*\d.*",
        FORMAT,
        lambda m: (
            "This file holds one version, not a range. A range belongs into\n"
            "requires-python in pyproject.toml."
        ),
    ),
    (
        r"latest|stable|newest|current|default|system|\d+|\d+\.[*x]",
        FORMAT,
        lambda m: f"'{m[0]}' says too little: the minor version must be there.",
    ),
    (
        rf"(c?python\s*[-@=]?\s*|py\s*|v\.?\s*){NUMBER}.*",
        FORMAT,
        lambda m: f"In this file there is no '{m[1].strip()}' before the number.",
    ),
    (
        rf"{NUMBER}\.[*x]",
        FORMAT,
        lambda m: "The newest patch release is meant when none is written: no wildcard.",
    ),
    (rf"{NUMBER}[\s,;:]+{NUMBER}.*", FORMAT, lambda m: "One version only may be written."),
    (r"[\d.]*(?<!\d)0\d[\d.]*", FORMAT, lambda m: "Its numbers begin with a zero."),
    (
        r"\d+\.\d+(?:\.\d+\..*|\.)",
        FORMAT,
        lambda m: "A version of Python has two or three numbers.",
    ),
    (r"(\d+),(\d+)", FORMAT, lambda m: "A point belongs between the numbers."),
)


def explain_slip(value: str, *, default: str, accepted: Sequence[str]) -> Slip:
    """Why ``value`` is no X.Y or X.Y.Z, and which of the ``accepted`` series comes nearest."""
    text, reasons = _clean(value[:LONGEST_VALUE])
    for pattern, kind, reason in RULES:
        if match := re.fullmatch(pattern, text.lower(), re.ASCII):
            version = _nearest(text, kind, default, accepted)
            return Slip(kind=kind, reason="\n".join([*reasons, reason(match)]), version=version)
    if not reasons:
        reasons = ["It must be a number like 3.13, or 3.13.1 with a patch release."]
    version = _nearest(text, FORMAT, default, accepted)
    return Slip(kind=FORMAT, reason="\n".join(reasons), version=version)


def _clean(value: str) -> tuple[str, list[str]]:
    """Take away what does not belong to a version, and say what it was."""
    reasons = []
    visible = "".join(c for c in value if c.isprintable() or c == "\t")
    for character in sorted({c for c in value if c not in visible}):
        name = unicodedata.name(character, "a control character").lower()
        reasons.append(f"There is an invisible character in it: U+{ord(character):04X}, {name}.")
    text = unicodedata.normalize("NFKC", visible)
    if text != visible or (not text.isascii() and text.replace(".", "").isdigit()):
        reasons.append("Its digits or signs are not those of ASCII.")
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    text, mark, _ = text.partition("#")
    if mark:
        reasons.append("A comment needs a line of its own.")
    bare = text.strip().strip("\"'`\u2018\u2019\u201c\u201d")
    if bare != text.strip():
        reasons.append("No quotes belong around it.")
    return bare.strip(), reasons


def _nearest(text: str, kind: SlipKind, default: str, accepted: Sequence[str]) -> str:
    within = [series for series in (default, *accepted) if _allows(text, series)]
    if within:
        return within[0]
    found = re.search(NUMBER, text, re.ASCII) or re.search(r"(\d),?(\d+)()", text, re.ASCII)
    if not found:
        return default
    series = f"{int(found[1])}.{int(found[2])}"
    if kind is SlipKind.IMPLEMENTATION or series not in accepted:
        return default
    patch = found[3] if kind is FORMAT and found[3] else ""
    is_wild = re.search(r"[*x<>^~]", text) is not None
    return f"{series}.{int(patch)}" if patch and not is_wild else series


def _allows(text: str, series: str) -> bool:
    """Whether ``text`` is a range that the newest patch release of ``series`` is in."""
    try:
        major, minor = (int(part) for part in series.split("."))
        return re.match(r"[<>!~]", text) is not None and parse_specifier(text)((major, minor, 99))
    except (SpecifierError, ImportError):
        return False  # No range at all, or one that takes more to understand than a hint is worth.
