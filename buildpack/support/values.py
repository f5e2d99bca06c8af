"""`@value`: a frozen dataclass with keyword-only fields, defined ten times as fast.

`dataclasses` writes and compiles six functions for each class, a third of a millisecond. On the
way to a container's first program there are dozens of such classes. These share one set of
functions instead; to a type checker, to pickle and to `dataclasses.replace` they look the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast, dataclass_transform

C = TypeVar("C")

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""A default for fields that are mappings."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[C]) -> type[C]:
    """Make ``cls``, whose annotations name its fields, a class of values with slots."""
    own = tuple(name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind))
    members = {name: each for name, each in vars(cls).items() if name not in _LEFT_OUT}
    defaults = {name: members.pop(name) for name in own if name in members}
    inherited: dict[str, None] = {}
    for base in reversed(cls.__mro__[1:]):
        defaults = {**getattr(base, "_value_defaults", {}), **defaults}
        inherited.update(dict.fromkeys(getattr(base, "_value_fields", ())))
    members["__slots__"] = tuple(name for name in own if name not in inherited)
    members["_value_fields"] = tuple(dict.fromkeys((*inherited, *own)))
    members["_value_defaults"] = defaults
    members["__dataclass_fields__"] = _DataclassFields()
    for name, function in _SHARED.items():
        members.setdefault(name, function)
    return cast("type[C]", type(cls.__name__, cls.__bases__, members))


def changed(old: C, **fields: object) -> C:
    """The value ``old`` with other ``fields``; dataclasses.replace makes a class first."""
    kept = {name: getattr(old, name) for name in cast("Any", old)._value_fields}
    return type(old)(**{**kept, **fields})


_LEFT_OUT = ("__dict__", "__weakref__")


class _DataclassFields:
    """What `dataclasses` looks for, made when somebody does."""

    def __get__(self, instance: object, owner: Any) -> object:
        import dataclasses

        fields = [
            (name, object, _field(owner._value_defaults, name)) for name in owner._value_fields
        ]
        made: Any = dataclasses.make_dataclass(owner.__name__, fields, kw_only=True)
        return made.__dataclass_fields__


def _field(defaults: Mapping[str, object], name: str) -> Any:
    import dataclasses

    if defaults.get(name) is NOTHING:  # not hashable: taken for a default that could be changed
        return dataclasses.field(default_factory=lambda: NOTHING)
    return dataclasses.field(default=defaults.get(name, dataclasses.MISSING))


def _init(self: Any, **given: object) -> None:
    defaults = self._value_defaults
    missing = []
    for name in self._value_fields:
        if name in given:
            object.__setattr__(self, name, given.pop(name))
        elif name in defaults:
            object.__setattr__(self, name, defaults[name])
        else:
            missing.append(name)
    if missing or given:
        kind, found = type(self).__name__, f"missing {missing}, unexpected {sorted(given)}"
        raise TypeError(f"{kind}: {found}")


def _fields(self: Any) -> tuple[object, ...]:
    return tuple(getattr(self, name) for name in self._value_fields)


def _equals(self: Any, other: object) -> bool:
    return _fields(self) == _fields(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_fields(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._value_fields)
    return f"{type(self).__name__}({shown})"


def _refuse(self: object, name: str, *_: object) -> None:
    raise AttributeError(f"{type(self).__name__} is a value: '{name}' cannot be changed")


def _get_state(self: Any) -> list[object]:
    return list(_fields(self))


def _set_state(self: Any, state: list[object]) -> None:
    for name, each in zip(self._value_fields, state, strict=True):
        object.__setattr__(self, name, each)


_SHARED = {
    "__init__": _init,
    "__eq__": _equals,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
