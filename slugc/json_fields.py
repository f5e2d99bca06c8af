"""Reading a JSON object whose shape is not to be trusted: typed values, or an error that names
the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from buildpack.support.errors import SlugkitError, printable

LARGEST = 2**63 - 1
"""What a number may be: no file is larger, and every program can reckon with it."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Fields:
    """One object of the document. ``error`` makes the exception from what was found."""

    __slots__ = ("_error", "_prefix", "mapping")

    def __init__(
        self, value: object, *, error: Callable[[str], SlugkitError], prefix: str = ""
    ) -> None:
        if not isinstance(value, dict):
            raise error(f"'{prefix.rstrip('.')}' is not an object" if prefix else "not an object")
        self.mapping: Mapping[str, object] = value
        self._error = error
        self._prefix = prefix

    def wrong(self, key: str, wanted: str) -> SlugkitError:
        """The error for ``key``, whose value is not what was wanted."""
        return self._error(f"'{self._prefix}{printable(key)}' is not {wanted}")

    def text(self, key: str) -> str:
        value = self.mapping.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.mapping.get(key) is None else self.text(key)

    def number(self, key: str) -> int:
        value = self.mapping.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(key, "a whole number from 0")
        if value > LARGEST:
            raise self.wrong(key, "a number below 2^63")
        return value

    def digest(self, key: str) -> str:
        value = self.text(key)
        if not _DIGEST.fullmatch(value):
            raise self.wrong(key, "a sha256 digest")
        return value

    def below(self, key: str) -> Fields:
        """The object that is the value of ``key``."""
        return Fields(
            self.mapping.get(key), error=self._error, prefix=f"{self._prefix}{printable(key)}."
        )

    def each(self, key: str) -> tuple[Fields, ...]:
        """The objects in the list that is the value of ``key``."""
        values = self.mapping.get(key)
        if not isinstance(values, list):
            raise self.wrong(key, "a list")
        return tuple(
            Fields(value, error=self._error, prefix=f"{self._prefix}{key}[{number}].")
            for number, value in enumerate(values)
        )

    def texts(self) -> Mapping[str, str]:
        """The whole object, every value a text."""
        return MappingProxyType({key: self.text(key) for key in self.mapping})
