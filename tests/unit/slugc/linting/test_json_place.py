"""Where in a JSON document something stands."""

from __future__ import annotations

import json

import pytest

from slugc.linting.json_place import find_place, shown_place

TEXT = """{
  "a\\u0062": [1, {"x": {}}, [
    {"deep": null}]],
  "twice": 1, "\\"]": [],
  "twice": {"in": true}
}"""


@pytest.mark.parametrize(
    ("place", "line", "column"),
    [
        ((), 1, 1),
        (("ab",), 2, 3),
        (("ab", 0), 2, 15),
        (("ab", 1, "x"), 2, 19),
        (("ab", 2, 0, "deep"), 3, 6),
        (('"]',), 4, 15),
        (("twice",), 5, 3),
        (("twice", "in"), 5, 13),
    ],
)
def test_keys_and_elements_are_found(place: tuple[str | int, ...], line: int, column: int) -> None:
    json.loads(TEXT)
    assert find_place(TEXT, place) == (line, column)


def test_of_what_is_missing_the_nearest_is_found() -> None:
    assert find_place(TEXT, ("ab", 1, "y", "z")) == find_place(TEXT, ("ab", 1))
    assert find_place(TEXT, ("ab", 9)) == find_place(TEXT, ("ab",))
    assert find_place("3", ("ab",)) == (1, 1)


def test_a_place_is_shown_as_a_path() -> None:
    assert shown_place(("cron", 0, "a\nb")) == "cron[0].a\\nb"
