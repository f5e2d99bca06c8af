"""Limits of the Python version (PEP 440), for the exact releases a Python can have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Release = tuple[int, int, int]
Predicate = Callable[[Release], bool]

CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*(\d+(?:\.\d+){0,2})(\.\*)?", re.ASCII)
"""What all but a few apps write. Releases X.Y.Z alone need no more than comparing numbers."""

RARE_CLAUSE = re.compile(r"(===|~=|==|!=|<=|>=|<|>)\s*v?\d[\w.!+*-]*", re.ASCII)
"""What `packaging` may still understand: epochs, pre-releases, local versions."""


class SpecifierError(ValueError):
    """Some clauses of a specifier make no sense; every one of them is in ``clauses``."""

    def __init__(self, clauses: Iterable[str]) -> None:
        self.clauses = tuple(clauses)
        super().__init__(", ".join(self.clauses))


def parse_specifier(text: str) -> Predicate:
    """Whether a release satisfies ``text``. Raises SpecifierError.

    `packaging` is imported only for clauses that need it: it takes 30 ms, and an app in which
    nothing changed is built in 150.
    """
    clauses = [clause.strip() for clause in text.split(",")]
    predicates, wrong = [], []
    for clause in clauses:
        try:
            predicates.append(_parse_clause(clause) if clause else _anything)
        except ValueError:
            wrong.append(clause)
    if wrong:
        raise SpecifierError(wrong)
    return lambda release: all(predicate(release) for predicate in predicates)


def _anything(release: Release) -> bool:
    return True


def _parse_clause(clause: str) -> Predicate:
    match = CLAUSE.fullmatch(clause)
    if match is None:
        return _parse_rare(clause)
    operator, digits, wildcard = match.groups()
    numbers = tuple(int(part) for part in digits.split("."))
    if operator == "~=":
        if wildcard or len(numbers) == 1:
            raise ValueError(clause)
        prefix = numbers[:-1]
        return lambda r: r >= _padded(numbers) and r[: len(prefix)] == prefix
    if wildcard:
        if operator not in {"==", "!="}:
            raise ValueError(clause)
        wanted = operator == "=="
        return lambda r: (r[: len(numbers)] == numbers) == wanted
    return _comparison(operator, _padded(numbers))


def _padded(numbers: tuple[int, ...]) -> Release:
    major, minor, patch = (*numbers, 0, 0)[:3]
    return major, minor, patch


def _comparison(operator: str, bound: Release) -> Predicate:
    comparisons: dict[str, Predicate] = {
        "==": lambda r: r == bound,
        "!=": lambda r: r != bound,
        "<=": lambda r: r <= bound,
        ">=": lambda r: r >= bound,
        "<": lambda r: r < bound,
        ">": lambda r: r > bound,
    }
    return comparisons[operator]


def _parse_rare(clause: str) -> Predicate:
    if not RARE_CLAUSE.fullmatch(clause):
        raise ValueError(clause)
    from packaging.specifiers import SpecifierSet

    specifiers = SpecifierSet(clause)
    return lambda r: specifiers.contains(f"{r[0]}.{r[1]}.{r[2]}")


SLIPS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"\^\s*((\d+)(?:\.\d+)*)", lambda m: f">={m[1]},<{int(m[2]) + 1}"),  # Poetry, npm
    (r"~\s*((\d+)\.(\d+)(?:\.\d+)?)", lambda m: f">={m[1]},<{m[2]}.{int(m[3]) + 1}"),
    (r"=?\s*(\d+\.\d+\.\d+)", lambda m: f"=={m[1]}"),
    (r"=?\s*(\d+(?:\.\d+)?)(?:\.[*x])?", lambda m: f"=={m[1]}.*"),
    (r"([<>]=?)\s*(\d+(?:\.\d+)*)\.[*x]", lambda m: f"{m[1]}{m[2]}"),
    (r"=([<>])\s*(\d+(?:\.\d+)*)", lambda m: f"{m[1]}={m[2]}"),
)
"""What other tools' notations mean in PEP 440."""


def suggest_specifier(clause: str) -> str:
    """What somebody who wrote ``clause`` may have meant, in PEP 440; "" where it is a guess."""
    text = clause.strip().strip("'\"").strip()
    for pattern, meant in SLIPS:
        if match := re.fullmatch(pattern, text, re.ASCII):
            return meant(match)
    parts = re.findall(r"(?:[<>=!~]=|[<>])\s*\d+(?:\.\d+)*(?:\.\*)?", text, re.ASCII)
    return ",".join(parts) if len(parts) > 1 and "|" not in text else ""
