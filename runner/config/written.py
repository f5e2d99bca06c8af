"""Config vars as text that can be read back whole: for a shell, and for an env file."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_NEEDS_ESCAPES = re.compile(r"['\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]")
_ESCAPED = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def shell_word(value: str) -> str:
    """``value`` as one word that any POSIX shell reads back, newlines and quotes included.

    Heroku's own ``config -s`` writes a newline as two characters, which a shell leaves so.
    """
    if _BARE.fullmatch(value):
        return value
    return "'" + value.replace("'", "'\\''") + "'"


def shell_text(config_vars: Mapping[str, str]) -> str:
    """Assignments for ``eval`` or a file to be sourced."""
    return "".join(f"{name}={shell_word(config_vars[name])}\n" for name in sorted(config_vars))


def env_text(config_vars: Mapping[str, str]) -> str:
    """An env file that buildpack/support/env_file.py reads back, value for value."""
    return "".join(f"{name}={_env_value(config_vars[name])}\n" for name in sorted(config_vars))


def _env_value(value: str) -> str:
    if not value or _BARE.fullmatch(value):
        return value
    if not _NEEDS_ESCAPES.search(value):
        return f"'{value}'"  # as it is, over several lines too
    return '"' + "".join(_ESCAPED.get(character, character) for character in value) + '"'
