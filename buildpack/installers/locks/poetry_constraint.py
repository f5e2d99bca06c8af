"""Poetry's way to write versions ("^3.1", "~2", "1.* || >=3") in the words of PEP 440."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildpack.installers.locks.lock_changes import RequirementSyntaxError

PIECE = re.compile(
    r"(?P<operator>\^|~=|~|===?|=|!=|<=|>=|<|>)?\s*v?(?P<version>[0-9][\w+!-]*(?:\.[\w+!-]+)*(?:\.\*)?|\*)"
)


class ConstraintError(RequirementSyntaxError):
    """Text that is no version constraint."""


def alternatives(text: str) -> tuple[str, ...]:
    """PEP 440 specifiers of which one must hold; ("",) where any version will do."""
    found = tuple(_specifier(part.strip()) for part in re.split(r"\|\|?", text))
    return ("",) if "" in found else found


def _specifier(text: str) -> str:
    pieces: list[str] = []
    position = 0
    rest = text.replace(",", " ")
    while rest[position:].strip():
        match = PIECE.match(rest, position + len(rest[position:]) - len(rest[position:].lstrip()))
        if match is None:
            raise ConstraintError(text)
        pieces.extend(_translate(match["operator"] or "", match["version"]))
        position = match.end()
    return ",".join(pieces)


def _translate(operator: str, version: str) -> Sequence[str]:
    if version == "*":
        return ()
    version = re.sub(r"\.[xX]\b", ".*", version)
    if operator in {"^", "~"}:
        plain = version.removesuffix(".*")
        upper = _caret(plain) if operator == "^" else _tilde(plain)
        return (f">={plain}", f"<{upper}")
    if operator in {"", "=", "=="}:
        return (f"=={version}",)
    if version.endswith(".*") and operator != "!=":
        version = version.removesuffix(".*")
    return (f"{operator}{version}",)


def _release(version: str) -> list[int]:
    return [int(part) for part in re.match(r"\d+(?:\.\d+)*", version)[0].split(".")]  # type: ignore[index] # PIECE starts with a digit


def _caret(version: str) -> str:
    """The first version that differs in the leftmost part that is not zero."""
    release = _release(version)
    place = next((i for i, part in enumerate(release) if part), len(release) - 1)
    return ".".join(map(str, [*release[:place], release[place] + 1]))


def _tilde(version: str) -> str:
    """The first version of the next minor series, or major series if only that is given."""
    release = _release(version)
    place = min(1, len(release) - 1)
    return ".".join(map(str, [*release[:place], release[place] + 1]))


def python_specifier(text: str) -> str:
    """One specifier for a Python constraint; of alternatives, what lies between their ends.

    PEP 440 has no "or". Alternatives for Python 2 do not count: no such Python is installed.
    """
    parts = [part for part in alternatives(text) if not _is_python_2(part)]
    if len(parts) <= 1:
        return parts[0] if parts else alternatives(text)[0]
    lowest = [_bound(part, lower=True) for part in parts]
    highest = [_bound(part, lower=False) for part in parts]
    ends = (min(lowest, key=_sort_key) if all(lowest) else "",
            max(highest, key=_sort_key) if all(highest) else "")  # fmt: skip
    return ",".join(end for end in ends if end)


def _is_python_2(specifier: str) -> bool:
    upper = _bound(specifier, lower=False)
    return bool(upper) and _sort_key(upper) <= (3,)


def _sort_key(bound: str) -> tuple[int, ...]:
    return tuple(_release(bound.lstrip("<>=")))


def _bound(specifier: str, *, lower: bool) -> str:
    """Where a specifier begins (">=3.8") or ends ("<4"); "" where it does not."""
    for piece in specifier.split(","):
        version = piece.lstrip("<>=!~")
        if piece.startswith(">" if lower else "<"):
            return piece
        if piece.startswith("==") and not piece.endswith(".*"):
            return f">={version}" if lower else f"<={version}"
        if piece.startswith(("==", "~=")):
            release = _release(version)
            series = release if piece.startswith("==") else release[:-1]
            upper = ".".join(map(str, [*series[:-1], series[-1] + 1]))
            return f">={version.removesuffix('.*')}" if lower else f"<{upper}"
    return ""
