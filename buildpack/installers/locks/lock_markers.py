"""Environment markers as sums of products: joined, cut down to what is open, written for uv.

A lock's markers may speak of the extras that were asked for, which are known when it is read, and
of the interpreter, which is not. Terms of the first kind are settled here; the rest is left to uv.
Markers have no "not", so a set of alternatives, each a set of terms, holds every one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from buildpack.support.names import normalized

Marker = frozenset[frozenset[str]]

ALWAYS: Marker = frozenset({frozenset()})
NEVER: Marker = frozenset()
LARGEST = 512
"""Alternatives in one marker. Real locks stay below twenty."""

TOKEN = re.compile(
    r"\s*(?:(?P<paren>[()])|(?P<string>'[^']*'|\"[^\"]*\")"
    r"|(?P<word>not\s+in\b|[A-Za-z_][\w.]*)|(?P<operator>===|==|!=|<=|>=|~=|<|>))"
)
OPERATORS = frozenset({"===", "==", "!=", "<=", ">=", "~=", "<", ">", "in", "not in"})


class MarkerSyntaxError(ValueError):
    """Text that is no marker."""


class MarkerTooLargeError(MarkerSyntaxError):
    """More alternatives than any real lock has."""


def parse_marker(text: str, extras: Set[str] = frozenset()) -> Marker:
    """The marker in ``text``, with what it says of extras decided by ``extras``."""
    if text.strip() in {"", "*"}:
        return ALWAYS
    parser = _Parser(text, extras)
    try:
        marker = parser.any_of()
    except RecursionError as err:
        raise MarkerSyntaxError(text) from err
    if parser.position < len(parser.tokens):
        raise MarkerSyntaxError(text)
    return marker


def either(markers: Iterable[Marker]) -> Marker:
    """True where one of ``markers`` is."""
    return _simplest(frozenset().union(*markers))


def both(one: Marker, other: Marker) -> Marker:
    """True where both are."""
    return _simplest(frozenset(first | second for first in one for second in other))


def _simplest(marker: Marker) -> Marker:
    if len(marker) > LARGEST:
        raise MarkerTooLargeError(f"it has {len(marker)} alternatives")
    return frozenset(x for x in marker if not any(y < x for y in marker))


def marker_text(marker: Marker) -> str:
    """The marker as PEP 508 writes it; "" for one that is always true."""
    if marker == ALWAYS:
        return ""
    if marker == NEVER:
        return "python_version < '0'"
    alternatives = sorted(" and ".join(sorted(terms)) for terms in marker)
    if len(alternatives) == 1:
        return alternatives[0]
    return " or ".join(f"({x})" if " and " in x else x for x in alternatives)


class _Parser:
    """Recursive descent over: comparison, "and", "or", parentheses."""

    def __init__(self, text: str, extras: Set[str]) -> None:
        self.text, self.extras, self.position = text, extras, 0
        self.tokens = _tokens(text)

    def any_of(self) -> Marker:
        parts = [self._all_of()]
        while self._take("or"):
            parts.append(self._all_of())
        return either(parts)

    def _all_of(self) -> Marker:
        marker = self._one()
        while self._take("and"):
            marker = both(marker, self._one())
        return marker

    def _one(self) -> Marker:
        if self._take("("):
            marker = self.any_of()
            if not self._take(")"):
                raise MarkerSyntaxError(self.text)
            return marker
        if self.position + 3 > len(self.tokens):
            raise MarkerSyntaxError(self.text)
        left, operator, right = self.tokens[self.position : self.position + 3]
        self.position += 3
        if operator not in OPERATORS or {left, right} & {"(", ")", "and", "or"}:
            raise MarkerSyntaxError(self.text)
        if "extra" in {left, right}:
            name = (right if left == "extra" else left).strip("'\"")
            return ALWAYS if _says(operator, normalized(name) in self.extras) else NEVER
        return frozenset({frozenset({f"{left} {operator} {right}"})})

    def _take(self, word: str) -> bool:
        found = self.position < len(self.tokens) and self.tokens[self.position] == word
        self.position += found
        return found


def _says(operator: str, has_extra: bool) -> bool:
    return has_extra == (operator in {"==", "===", "in"})


def _tokens(text: str) -> list[str]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = TOKEN.match(text, position)
        if match is None:
            raise MarkerSyntaxError(text)
        tokens.append(re.sub(r"\s+", " ", match[0].strip()) if match["word"] else match[0].strip())
        position = match.end()
    return tokens
