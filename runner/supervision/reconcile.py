"""What to do next, from what is wanted and what runs. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from buildpack.support.values import value
from runner.slot import ContainerState
from slugc.procfile import ProcessType


@value
class Place:
    """One container that is wanted, and what it has to be made of."""

    process_type: ProcessType
    ordinal: int
    version: int
    """of the release"""
    size: str

    @property
    def name(self) -> str:
        return f"{self.process_type}.{self.ordinal}"


@value
class Running:
    """One container that runs."""

    key: str
    process_type: ProcessType
    ordinal: int
    version: int
    size: str
    state: ContainerState
    is_outdated: bool = False
    """somebody asked for it to be restarted"""

    def fills(self, place: Place) -> bool:
        """Whether it is what is wanted there, and stays."""
        made_of = (self.process_type, self.ordinal, self.version, self.size)
        wanted = (place.process_type, place.ordinal, place.version, place.size)
        return made_of == wanted and not self.is_outdated and self.is_staying

    @property
    def is_staying(self) -> bool:
        return self.state is not ContainerState.STOPPING


@value
class Start:
    """Start a container there, unless it crashed a moment ago."""

    place: Place


@value
class Stop:
    """Stop this container; ``is_replaced`` tells whether another takes its place."""

    key: str
    is_replaced: bool


Action = Start | Stop


class Strategy(Protocol):
    """How the containers of one process type are replaced by others."""

    def decide(self, places: Sequence[Place], running: Sequence[Running]) -> Iterator[Action]:
        """The next steps; asked again whenever something has changed."""


class StopThenStart:
    """No two containers in one place: the old one has ended before the new one starts."""

    def decide(self, places: Sequence[Place], running: Sequence[Running]) -> Iterator[Action]:
        for place in places:
            here = [each for each in running if each.ordinal == place.ordinal]
            for each in here:
                if each.is_staying and not each.fills(place):
                    yield Stop(key=each.key, is_replaced=True)
            if not here:
                yield Start(place=place)


@value
class Rolling:
    """A few places at a time: the old container ends when the new one is up.

    A place is under way until its old container has ended, so that there are never many more
    containers than are wanted.
    """

    at_once: int | None = None
    """None: a quarter of the places, two at least"""

    def decide(self, places: Sequence[Place], running: Sequence[Running]) -> Iterator[Action]:
        most = max(2, -(-len(places) // 4)) if self.at_once is None else self.at_once
        seen = [_Seen(place, running) for place in places]
        under_way = sum(bool(each.new and each.old) for each in seen)
        for each in seen:
            if each.is_up:
                yield from each.stops()
            elif not each.new:
                if any(old.is_staying for old in each.old):
                    if under_way >= most:
                        continue
                    under_way += 1
                yield Start(place=each.place)


class AllAtOnce:
    """All new ones are started; when all are up, all old ones end."""

    def decide(self, places: Sequence[Place], running: Sequence[Running]) -> Iterator[Action]:
        seen = [_Seen(place, running) for place in places]
        for each in seen:
            if not each.new:
                yield Start(place=each.place)
        if all(each.is_up for each in seen):
            for each in seen:
                yield from each.stops()


class _Seen:
    """A place with the container that fills it, and others that do no more."""

    def __init__(self, place: Place, running: Sequence[Running]) -> None:
        here = [each for each in running if each.ordinal == place.ordinal]
        self.place = place
        self.new = [each for each in here if each.fills(place)]
        self.old = [each for each in here if not each.fills(place)]
        self.is_up = any(each.state is ContainerState.UP for each in self.new)

    def stops(self) -> Iterator[Action]:
        for each in self.old:
            if each.is_staying:
                yield Stop(key=each.key, is_replaced=True)


def decide(
    wanted: Sequence[Place],
    running: Sequence[Running],
    strategies: Mapping[ProcessType, Strategy],
    *,
    first: ProcessType | None = None,
) -> tuple[Action, ...]:
    """What brings ``running`` nearer to ``wanted``; nothing when both are the same.

    Types without a strategy of their own are stopped, then started. Until all of ``first`` is up
    the others are left as they are.
    """
    names = {place.name for place in wanted}
    found: list[Action] = [
        Stop(key=each.key, is_replaced=False)
        for each in running
        if f"{each.process_type}.{each.ordinal}" not in names and each.is_staying
    ]
    types = dict.fromkeys(place.process_type for place in wanted)
    if first in types and not are_up([x for x in wanted if x.process_type == first], running):
        types = {first: None}
    for process_type in types:
        strategy = strategies.get(process_type, StopThenStart())
        found += strategy.decide(
            [place for place in wanted if place.process_type == process_type],
            [each for each in running if each.process_type == process_type],
        )
    return tuple(found)


def are_up(places: Sequence[Place], running: Sequence[Running]) -> bool:
    """Whether each of them has its container, and that is up."""
    up = [each for each in running if each.state is ContainerState.UP]
    return all(any(each.fills(place) for each in up) for place in places)
