"""Where in the text of a JSON document something stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from buildpack.support.errors import printable

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def find_place(text: str, place: Sequence[str | int]) -> tuple[int, int]:
    """Line and column, from 1, of what the keys and indexes of ``place`` lead to.

    Of a member that is its key; of what is not there, whatever is nearest to it. ``text`` was
    parsed before.
    """
    at, value = 0, _past_space(text, 0)
    for step in place:
        found = [(key, start) for name, key, start in _children(text, value) if name == step]
        if not found:
            break
        at, value = found[-1]  # of members of the same name the last one counts
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def shown_place(place: Sequence[str | int]) -> str:
    """``cron[0].schedule``"""
    steps = (f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in place)
    return "".join(steps).removeprefix(".")


def _children(text: str, at: int) -> Iterator[tuple[str | int, int, int]]:
    """Name or index, where it begins and where its value does, of all that an object or array
    holds which begins at ``at``."""
    kind = text[at : at + 1]
    if kind not in {"{", "["}:
        return
    at, index = _past_space(text, at + 1), 0
    while text[at] not in "]}":
        name: str | int = index
        start = at
        if kind == "{":
            name, end = _DECODER.raw_decode(text, at)
            at = _past_space(text, _past_space(text, end) + 1)  # the colon
        yield name, start, at
        at = _past_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _past_space(text, at + 1)
        index += 1


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
