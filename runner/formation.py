"""Formation: how many containers of each process type, and what each of them is started with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import value
from slugc.procfile import ProcessType

MAX_PER_TYPE = 100  # more on one machine is a slip of the keyboard, not a plan
RELEASE = ProcessType("release")
WEB = ProcessType("web")


@value
class ContainerSpec:
    """One container to start. ``argv`` is complete: it sources profiles and runs the command.

    ``env`` is the whole environment of the process (config vars, HOME=/app, DYNO, PORT ...).
    """

    process_type: ProcessType
    ordinal: int
    command: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int | None
    host_ports: tuple[int, ...] = ()
    """of this machine, to be reached at the container's own localhost"""

    @property
    def name(self) -> str:
        return f"{self.process_type}.{self.ordinal}"


@value
class Formation:
    """The wanted quantity of each process type, in the order they were named."""

    quantities: Mapping[ProcessType, int]

    @property
    def web(self) -> int:
        """How many containers take HTTP."""
        return self.quantities.get(WEB, 0)

    @property
    def total(self) -> int:
        return sum(self.quantities.values())


_MAKE_WEB = """

What answers requests is called so; a line of the Procfile makes it:

    web: gunicorn app:app"""


class UnknownProcessTypeError(UsageError):
    """The slug has no such process type."""

    id = "unknown-process-type"

    def __init__(self, word: str, types: Sequence[str], *, others: Sequence[str] = ()) -> None:
        self.word, self.types = word, tuple(types)
        import difflib

        nearest = difflib.get_close_matches(word.lower(), [*types, *others], n=1)
        self.suggestion = nearest[0] if nearest else None
        what = "process type or command" if others else "process type"
        hint = f"Did you mean {self.suggestion}? " if self.suggestion else ""
        super().__init__(
            f"There is no {what} called '{printable(word)}'",
            resolution=f"{hint}Process types of this slug: {', '.join(self.types) or 'none'}"
            f"{_MAKE_WEB if word == WEB else ''}",
        )


class CountError(UsageError):
    """A quantity that cannot be started."""

    id = "count"

    def __init__(
        self, asked: str, found: str, *, least: int = 1, example: str = "slug-run web --count 2"
    ) -> None:
        self.asked, self.found = asked, found
        super().__init__(
            f"'{printable(asked)}' is not a number of containers to start",
            details=found,
            resolution=f"Give a whole number from {least} to {MAX_PER_TYPE}:\n\n    {example}",
        )


class FormationError(UsageError):
    """The words on the command line do not add up to one formation."""

    id = "formation"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            "It is not clear how many containers to start",
            details=found,
            resolution="Write one of:\n\n"
            "    slug-run web --count 2\n"
            "    slug-run web=2 worker=1\n"
            "    slug-run start -c web=2,worker=1",
        )


class ReleaseTypeError(UsageError):
    """``release`` runs once before a formation; it is no part of one."""

    id = "release-type"

    def __init__(self) -> None:
        super().__init__(
            "The process type 'release' cannot be started as part of a formation",
            details="It is a command that runs once before the others and then ends.",
            resolution="Run it once:\n\n    slug-run run release",
        )


def parse_count(text: str) -> int:
    """A quantity as typed. ASCII digits only: int() would also take '1_0', ' 2' and '٣'."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        negative = re.fullmatch(r"-[0-9]+", text)
        raise CountError(text, "It is below zero." if negative else "It is not a whole number.")
    count = int(text)
    if count == 0:
        raise CountError(text, "Nothing would run.")
    if count > MAX_PER_TYPE:
        raise CountError(text, f"One machine runs at most {MAX_PER_TYPE} of a process type.")
    return count


def parse_formation(
    words: Sequence[str], *, count: str | None, concurrency: str | None
) -> Mapping[str, int | None]:
    """What the command line asks for: ``web``, ``web=2``, ``--count 2``, ``-c web=2,worker=1``.

    None stands for a type that was named without a quantity.
    """
    asked: dict[str, int | None] = {}
    pairs = [part.strip() for part in concurrency.split(",")] if concurrency is not None else []
    for pair in pairs:
        if "=" not in pair:
            raise FormationError(f"'{printable(pair)}' after -c has no quantity.")
    for word in [*words, *pairs]:
        name, equals, quantity = word.partition("=")
        wanted = parse_count(quantity) if equals else None
        if asked.get(name) is not None and wanted not in {None, asked[name]}:
            raise FormationError(f"'{printable(name)}' is given as {asked[name]} and {wanted}.")
        asked[name] = wanted if wanted is not None else asked.get(name)
    return _with_count(asked, count) if count is not None else asked


def _with_count(asked: Mapping[str, int | None], count: str) -> Mapping[str, int | None]:
    number = parse_count(count)
    if len(asked) > 1:
        raise FormationError("--count belongs to one process type, and several are named.")
    for name, wanted in asked.items():
        if wanted not in {None, number}:
            raise FormationError(f"'{printable(name)}' is given as {wanted} and as {number}.")
    return dict.fromkeys(asked or {"": None}, number)


def determine_formation(
    asked: Mapping[str, int | None],
    types: Mapping[ProcessType, str],
    *,
    commands: Sequence[str] = (),
) -> Formation:
    """Match what was asked with what the slug has.

    Nothing named means ``web``, or the only type there is: no app is told it must have a web.
    """
    startable = [name for name in types if name != RELEASE]
    default = WEB if WEB in types else startable[0] if len(startable) == 1 else None
    quantities: dict[ProcessType, int] = {}
    for word, wanted in (asked or {"": None}).items():
        name = ProcessType(word) if word else default
        if name is None:
            raise FormationError(f"The slug has: {', '.join(startable) or 'no process types'}.")
        if name not in types:
            raise UnknownProcessTypeError(name, startable, others=commands)
        if name == RELEASE:
            raise ReleaseTypeError
        quantities[name] = wanted or 1
    return Formation(quantities=MappingProxyType(quantities))


SpecMaker = Callable[[ProcessType, int, int | None], ContainerSpec]
"""Makes the spec of one container from its type, ordinal and port."""


def expand(
    formation: Formation, make_spec: SpecMaker, *, web_ports: Sequence[int]
) -> tuple[ContainerSpec, ...]:
    """Every container of the formation, numbered from 1. Only ``web`` gets a port."""
    return tuple(
        make_spec(name, ordinal, web_ports[ordinal - 1] if name == WEB else None)
        for name, quantity in formation.quantities.items()
        for ordinal in range(1, quantity + 1)
    )
