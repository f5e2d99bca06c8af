"""Groups of dependencies that include each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from buildpack.installers.locks.lock_changes import Dependency, RequirementSyntaxError

EntriesOf = Callable[[str], Iterable[Dependency | str]]
"""What a group of this name lists: dependencies, and names of the groups it includes."""


def expanded(group: str, entries_of: EntriesOf) -> Iterator[Dependency]:
    """The dependencies of a group, and of every group it includes. Raises where they go round."""
    yield from _expanded(group, entries_of, (), set())


def _expanded(
    group: str, entries_of: EntriesOf, inside: tuple[str, ...], seen: set[str]
) -> Iterator[Dependency]:
    if group in inside:
        raise RequirementSyntaxError(f"include-group = {group}")
    if group in seen:
        return  # groups that each include the next one twice would double at each step
    seen.add(group)
    for entry in entries_of(group):
        if isinstance(entry, Dependency):
            yield entry
        else:
            yield from _expanded(entry, entries_of, (*inside, group), seen)
