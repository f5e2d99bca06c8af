"""A value is what a frozen dataclass with slots would have been."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import time
from typing import Any, ClassVar

import pytest

from buildpack.support.values import changed, value


@value
class Point:
    """A place."""

    kind: ClassVar[str] = "point"
    x: int
    y: int = 0
    """up"""

    @property
    def sum(self) -> int:
        return self.x + self.y


@value
class Named(Point):
    name: str
    y: int = 5


def test_fields_are_given_by_name_and_have_defaults() -> None:
    point = Point(x=1)
    assert (point.x, point.y, point.sum, point.kind) == (1, 0, 1, "point")
    assert Point.__doc__ == "A place."
    assert Point.__module__ == __name__


@pytest.mark.parametrize("given", [{}, {"y": 1}, {"x": 1, "z": 2}])
def test_a_missing_or_unknown_field_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Point: missing \[.*\], unexpected \[.*\]"):
        Point(**given)
    with pytest.raises(TypeError):
        Point(1, 2)  # type: ignore[call-arg]  # that it is refused is what is tested


def test_a_value_cannot_be_changed_and_has_no_other_attributes() -> None:
    point: Any = Point(x=1)
    for name in ("x", "new"):
        with pytest.raises(AttributeError):
            setattr(point, name, 2)
    with pytest.raises(AttributeError):
        del point.x
    assert not hasattr(point, "__dict__")
    assert not hasattr(Named(x=1, name="a"), "__dict__")


def test_equal_values_of_one_class_are_equal_and_hash_alike() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert Point(x=1) != Point(x=2)
    assert hash(Point(x=1)) == hash(Point(x=1))
    assert Point(x=1) != Named(x=1, y=0, name="")
    assert {Point(x=1), Point(x=1, y=0)} == {Point(x=1)}


def test_a_value_shows_its_fields() -> None:
    assert repr(Named(x=1, name="a")) == "Named(x=1, y=5, name='a')"


def test_fields_are_inherited_and_defaults_may_change() -> None:
    named = Named(x=1, name="a")
    assert (named.x, named.y, named.name) == (1, 5, "a")
    assert isinstance(named, Point)


def test_values_are_pickled_and_copied() -> None:
    named = Named(x=1, name="a")
    assert pickle.loads(pickle.dumps(named)) == named
    assert copy.deepcopy(named) == copy.copy(named) == named


def test_to_dataclasses_it_is_one() -> None:
    point: Any = Point(x=1, y=2)
    assert dataclasses.asdict(point) == {"x": 1, "y": 2}
    assert dataclasses.replace(point, y=7) == Point(x=1, y=7)
    assert [each.name for each in dataclasses.fields(Named)] == ["x", "y", "name"]
    assert dataclasses.is_dataclass(Point)


def test_defining_one_takes_a_fraction_of_the_time() -> None:
    def seconds(decorate: Any) -> float:
        started = time.thread_time()
        for _ in range(50):
            decorate(type("New", (), {"__annotations__": {"a": "int", "b": "int"}}))
        return time.thread_time() - started

    slow = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    assert min(seconds(value) for _ in range(3)) * 2 < min(seconds(slow) for _ in range(3))


def test_a_changed_value_keeps_its_other_fields() -> None:
    @value
    class Point:
        x: int
        y: int = 0

    assert changed(Point(x=1, y=2), x=3) == Point(x=3, y=2)
    with pytest.raises(TypeError):
        changed(Point(x=1), z=3)
