"""The app.json of an app: found in its layers, parsed, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.values import value
from slugc.small_file import SmallFileError, read_small_file

APP_JSON = "app.json"
MAX_BYTES = 1024 * 1024

Place = tuple[str | int, ...]
"""Keys and indexes that lead to a part of the document: ``("cron", 0, "schedule")``"""


@value
class Remark:
    """Something to say of one place of the document."""

    place: Place
    """empty for the whole file"""
    what: str
    """the rest of a sentence that begins with the place"""

    @property
    def shown(self) -> str:
        """``cron[0].schedule is missing.``"""
        keys = [f"[{key}]" if isinstance(key, int) else f".{printable(key)}" for key in self.place]
        return f"{''.join(keys).removeprefix('.') or APP_JSON} {self.what}"


class AppJsonError(SlugkitError):
    """A part of app.json that slug-run goes by cannot be understood."""

    exit_code = ExitCode.DATA
    headline: ClassVar[str]
    example: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    """A file that is no JSON matters only if one of these is in it."""

    def __init__(self, problems: Sequence[Remark]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            self.headline,
            details="\n".join(f"- {problem.shown}" for problem in problems),
            resolution=f"An example:\n\n    {self.example}",
        )


def read_app_json(layers: Sequence[Path], error: type[AppJsonError]) -> bytes:
    """That of the app whose unpacked layers these are; empty where it has none.

    Raises ``error`` for one that is no regular file.
    """
    for layer in reversed(layers):
        try:
            content = read_small_file(layer, APP_JSON, limit=MAX_BYTES)
        except SmallFileError as err:
            raise error([Remark(place=(), what=f"cannot be used: {err.details}")]) from err
        if content is not None:
            return content
    return b""


def parse_document(content: bytes, error: type[AppJsonError]) -> dict[str, Any]:
    """The object that ``content`` is; empty for whatever is no business of ours.

    Raises ``error`` for what is not JSON and names one of its keys.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as err:
        if not any(f'"{key}"'.encode() in content for key in error.keys):
            return {}
        raise error([Remark(place=(), what=f"is not JSON: {err}.")]) from err
    return document if isinstance(document, dict) else {}
