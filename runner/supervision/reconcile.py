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


class Rolling:
    """One place after the other: the old container ends when the new one is up."""

    def decide(self, places: Sequence[Place], running: Sequence[Running]) -> Iterator[Action]:
        under_way = any(
            self._new(place, running, is_up=False) and self._old(place, running) for place in places
        )
        for place in places:
            old = self._old(place, running)
            if self._new(place, running, is_up=True):
                for each in old:
                    yield Stop(key=each.key, is_replaced=True)
            elif not self._new(place, running, is_up=False) and not (old and under_way):
                under_way = under_way or bool(old)
                yield Start(place=place)

    @staticmethod
    def _new(place: Place, running: Sequence[Running], *, is_up: bool) -> bool:
        return any(
            each.fills(place) and (each.state is ContainerState.UP) is is_up for each in running
        )

    @staticmethod
    def _old(place: Place, running: Sequence[Running]) -> list[Running]:
        here = [each for each in running if each.ordinal == place.ordinal and each.is_staying]
        return [each for each in here if not each.fills(place)]


def decide(
    wanted: Sequence[Place],
    running: Sequence[Running],
    strategies: Mapping[ProcessType, Strategy],
) -> tuple[Action, ...]:
    """What brings ``running`` nearer to ``wanted``; nothing when both are the same.

    Types without a strategy of their own are stopped, then started.
    """
    names = {place.name for place in wanted}
    found: list[Action] = [
        Stop(key=each.key, is_replaced=False)
        for each in running
        if f"{each.process_type}.{each.ordinal}" not in names and each.is_staying
    ]
    for process_type in dict.fromkeys(place.process_type for place in wanted):
        strategy = strategies.get(process_type, StopThenStart())
        found += strategy.decide(
            [place for place in wanted if place.process_type == process_type],
            [each for each in running if each.process_type == process_type],
        )
    return tuple(found)
