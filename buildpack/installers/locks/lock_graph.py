"""Walks a lock that lists packages and what they depend on, but not who needs which of them.

Older locks of Poetry and PDM are of this kind: which packages the app's main dependencies need,
and in which environments, follows from the graph. Where two locked versions of one package fit
one dependency, only a resolver could tell them apart: that is reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from buildpack.installers.locks.lock_changes import Dependency
from buildpack.installers.locks.lock_markers import NEVER, Marker, both, either, parse_marker


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPackage:
    """One locked package: what it always needs, and what each of its extras needs."""

    name: str
    version: str
    dependencies: tuple[Dependency, ...] = ()
    extras: Mapping[str, tuple[Dependency, ...]] = field(default_factory=dict)


class GraphProblemsError(ValueError):
    """Places where the graph does not say which package is meant."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("; ".join(self.problems))


def reachable(
    roots: Iterable[tuple[Dependency, Marker]], packages: Sequence[GraphPackage]
) -> Mapping[int, Marker]:
    """For each package that is needed, by its position: where. Raises GraphProblemsError."""
    walk = _Walk(packages)
    for dependency, marker in roots:
        walk.follow(dependency, marker)
    while walk.waiting:
        position, extra = walk.waiting.pop()
        package, marker = packages[position], walk.reached[position, extra]
        needed = package.extras.get(extra, ()) if extra else package.dependencies
        for dependency in needed:
            own = parse_marker(dependency.marker, {extra} if extra else frozenset())
            walk.follow(dependency, both(marker, own))
    if walk.problems:
        raise GraphProblemsError(walk.problems)
    return {position: marker for (position, extra), marker in walk.reached.items() if not extra}


class _Walk:
    def __init__(self, packages: Sequence[GraphPackage]) -> None:
        self.packages = packages
        self.by_name: dict[str, list[int]] = {}
        for position, package in enumerate(packages):
            self.by_name.setdefault(package.name, []).append(position)
        self.reached: dict[tuple[int, str], Marker] = {}
        self.waiting: list[tuple[int, str]] = []
        self.problems: list[str] = []

    def follow(self, dependency: Dependency, marker: Marker) -> None:
        """``dependency`` is needed where ``marker`` holds."""
        if marker == NEVER:
            return
        found = self.by_name.get(dependency.name, [])
        fitting = [x for x in found if dependency.accepts(self.packages[x].version)] or found
        if len(fitting) == 1:
            for extra in ("", *dependency.extras):
                self._reach((fitting[0], extra), marker)
            return
        # A package that no environment of the lock needs is not in it.
        if fitting:
            versions = " and ".join(self.packages[x].version for x in fitting)
            self.problems.append(f"{dependency.shown}: {versions} are both locked, and both fit.")

    def _reach(self, node: tuple[int, str], marker: Marker) -> None:
        before = self.reached.get(node, NEVER)
        now = either([before, marker])
        if now != before:
            self.reached[node] = now
            self.waiting.append(node)
