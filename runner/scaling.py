"""How a formation is changed: ``web=2``, ``worker+1``, ``web=3:standard-2x``. Values in and out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import value
from runner.formation import (
    MAX_PER_TYPE,
    RELEASE,
    WEB,
    CountError,
    ReleaseTypeError,
    UnknownProcessTypeError,
)
from runner.sizes import DEFAULT_SIZE, find_size
from runner.state.values import WantedCount
from slugc.procfile import ProcessType

MAX_PER_APP = (
    200  # an app's network has 251 addresses, and a container that replaces one needs its own
)

# Heroku's (cli, commands/ps/scale), with ASCII digits only: \d would take '٣'.
_STEP = re.compile(r"([A-Za-z0-9_-]+)([=+-])([0-9]{1,18})(?::([A-Za-z0-9_-]+))?")


class ScaleWordError(UsageError):
    """A word that says no quantity."""

    id = "scale-word"

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(
            f"'{printable(word)}' is no quantity of a process type",
            resolution="Give a type and a whole number, and a size if you like:\n\n"
            "    slug-run scale web=2 worker+1\n"
            "    slug-run scale web=3:standard-2x",
        )


class ResetWithWordsError(UsageError):
    """Back to the beginning, and somewhere else, at once."""

    id = "reset-with-words"

    def __init__(self) -> None:
        super().__init__(
            "--reset takes no quantities",
            details="It sets one web and nothing else.",
            resolution="Give one or the other:\n\n"
            "    slug-run scale --reset\n"
            "    slug-run scale web=2 worker=1",
        )


class TooManyContainersError(UsageError):
    """More containers than an app can have."""

    id = "too-many-containers"

    def __init__(self, total: int) -> None:
        self.total = total
        super().__init__(
            f"That would be {total} containers; an app has at most {MAX_PER_APP}",
            details="Nothing was changed.",
        )


@value
class Step:
    """One change. ``operation`` is =, + or -; without a size the type keeps its own."""

    process_type: ProcessType
    operation: str
    number: int
    size: str | None = None


def parse_steps(words: Iterable[str]) -> tuple[Step, ...]:
    """The changes that ``words`` ask for. Raises ScaleWordError and UnknownSizeError."""
    return tuple(_parse_step(word) for word in words)


def _parse_step(word: str) -> Step:
    found = _STEP.fullmatch(word)
    if found is None:
        raise ScaleWordError(word)
    name, operation, number, size = found.groups()
    return Step(
        process_type=ProcessType(name),
        operation=operation,
        number=int(number),
        size=None if size is None else find_size(size).name,
    )


def first_formation(types: Mapping[ProcessType, str]) -> Sequence[WantedCount]:
    """What an app has that nobody has scaled: one web, nothing else."""
    return [WantedCount(process_type=WEB, quantity=1)] if WEB in types else []


def reset_steps(
    current: Mapping[ProcessType, WantedCount], types: Mapping[ProcessType, str]
) -> Sequence[Step]:
    """Back to what an app has that nobody has scaled, sizes too."""
    first = {each.process_type: each.quantity for each in first_formation(types)}
    names = dict.fromkeys([*first, *(name for name in current if name in types)])
    return [
        Step(process_type=name, operation="=", number=first.get(name, 0), size="") for name in names
    ]


def scaled(
    current: Mapping[ProcessType, WantedCount],
    steps: Sequence[Step],
    types: Mapping[ProcessType, str],
) -> tuple[WantedCount, ...]:
    """The formation after ``steps``, all of them or none.

    Raises UnknownProcessTypeError, ReleaseTypeError, CountError and TooManyContainersError.
    """
    found = dict(current) or {each.process_type: each for each in first_formation(types)}
    for step in steps:
        if step.process_type not in types:
            raise UnknownProcessTypeError(step.process_type, [x for x in types if x != RELEASE])
        if step.process_type == RELEASE:
            raise ReleaseTypeError
        before = found.get(step.process_type)
        found[step.process_type] = _changed(before, step)
    total = sum(each.quantity for name, each in found.items() if name in types)
    if total > MAX_PER_APP:
        raise TooManyContainersError(total)
    return tuple(found.values())


def _changed(before: WantedCount | None, step: Step) -> WantedCount:
    count = before.quantity if before is not None else 0
    quantity = {
        "=": step.number,
        "+": count + step.number,
        "-": count - step.number,
    }[step.operation]
    asked = f"{step.process_type}{step.operation}{step.number}"
    found = ""
    if quantity < 0:
        found = f"There are {count}."
    if quantity > MAX_PER_TYPE:
        found = f"One machine runs at most {MAX_PER_TYPE} of a process type."
    if found:
        raise CountError(asked, found, least=0, example=f"slug-run scale {step.process_type}=2")
    size = step.size if step.size is not None else before.size if before is not None else ""
    return WantedCount(process_type=step.process_type, quantity=quantity, size=size)


def web_first(counts: Iterable[WantedCount]) -> Sequence[WantedCount]:
    """The order in which people look for them."""
    return sorted(counts, key=lambda each: (each.process_type != WEB, each.process_type))


def formation_line(counts: Iterable[WantedCount]) -> str:
    """``web=2:standard-1x worker=0:standard-1x``: to be read, and to be typed again."""
    return " ".join(
        f"{each.process_type}={each.quantity}:{each.size or DEFAULT_SIZE}"
        for each in web_first(counts)
    )


def of_release(
    counts: Mapping[ProcessType, WantedCount], types: Mapping[ProcessType, str]
) -> Mapping[ProcessType, WantedCount]:
    """What of a formation the release can run; the rest is kept for one that has it again."""
    return {name: each for name, each in counts.items() if name in types}


def idle_notices(
    app: str, counts: Mapping[ProcessType, WantedCount], types: Mapping[ProcessType, str]
) -> tuple[str, ...]:
    """What somebody who looks for a container would ask about next."""
    found = [
        f"This release has no {name}; {name}={each.quantity} is kept for one that has it"
        for name, each in counts.items()
        if each.quantity and name not in types
    ]
    startable = sorted((name for name in types if name != RELEASE), key=WEB.__ne__)
    if startable and not any(each.quantity for each in of_release(counts, types).values()):
        found.append(
            f"Nothing is to run. There is {', '.join(startable)}:"
            f" slug-run scale {startable[0]}=1 --app {app}"
        )
    return tuple(found)


def changes_line(
    before: Mapping[ProcessType, WantedCount], after: Mapping[ProcessType, WantedCount]
) -> str:
    """``web 1 => 2, worker 0 => 1``; empty when nothing changes."""
    found = []
    for each in web_first(after.values()):
        name = each.process_type
        old = before.get(name) or WantedCount(process_type=name, quantity=0)
        sizes = [x.size or DEFAULT_SIZE for x in (old, each)]
        if name not in before and each.quantity == 0:
            continue
        if sizes[0] != sizes[1]:
            found.append(f"{name} {old.quantity}:{sizes[0]} => {each.quantity}:{sizes[1]}")
        elif old.quantity != each.quantity:
            found.append(f"{name} {old.quantity} => {each.quantity}")
    return ", ".join(found)
