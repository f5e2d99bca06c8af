"""Writes the few kinds of TOML that the lifecycle reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

Value = str | bool | Sequence[str]


def toml_value(value: Value) -> str:
    """A string, a boolean or an array of strings, as TOML.

    JSON's escapes are TOML's, but for DEL, which TOML wants escaped (toml.io, "String").
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(toml_value(item) for item in value) + "]"


def toml_table(header: str, values: Mapping[str, Value]) -> str:
    """One table; ``header`` is written as it is, such as ``[types]`` or ``[[processes]]``."""
    lines = [header, *(f"{_key(name)} = {toml_value(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    is_bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if is_bare else toml_value(name)
