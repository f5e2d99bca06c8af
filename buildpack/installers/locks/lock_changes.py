"""Finds on which dependency an app's own file and its lock file disagree, without the tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from buildpack.installers.locks.project_errors import Difference
from buildpack.support.names import normalized

REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?\s*"
    r"(?:@\s*(?P<url>\S+)|\(?(?P<specifier>[^;()@]*)\)?)\s*(?:;(?P<marker>.*))?"
)


class RequirementSyntaxError(ValueError):
    """Text that is no requirement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One dependency as somebody wrote it, with ``shown`` its literal text.

    ``alternatives`` are PEP 440 specifiers of which one must hold; they say nothing where
    ``source`` (a URL or a path) says where the dependency comes from.
    """

    name: str
    shown: str
    alternatives: tuple[str, ...] = ("",)
    source: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    is_optional: bool = False

    def accepts(self, version: str) -> bool:
        """Is ``version`` one of those that were asked for?"""
        if self.source or "" in self.alternatives or not version:
            return True
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            wanted = [SpecifierSet(text) for text in self.alternatives]
        except InvalidSpecifier as err:
            raise RequirementSyntaxError(self.shown) from err
        return any(specifiers.contains(version, prereleases=True) for specifiers in wanted)


def kind_of(source: str) -> str:
    """Which kind of place ``source`` is: "" is an index, "git" or "direct" (a URL or a path)."""
    if not source:
        return ""
    return "git" if source.startswith(("git ", "git+")) else "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What a lock says of one package; ``has_extra`` where it says which extras came along."""

    version: str
    source: str = ""
    has_extra: Callable[[str], bool] = lambda _extra: True

    @property
    def shown(self) -> str:
        place = {"": "", "git": "from Git", "direct": "from a URL or path"}[kind_of(self.source)]
        return f"{self.version} {place}".strip()


def parse_dependency(text: str) -> Dependency:
    """A requirement as PEP 508 writes it."""
    match = REQUIREMENT.fullmatch(text.strip())
    if match is None:
        raise RequirementSyntaxError(text)
    specifier = (match["specifier"] or "").strip()
    return Dependency(
        name=normalized(match["name"]),
        shown=text.partition(";")[0].strip(),
        alternatives=(specifier,),
        source=match["url"] or "",
        extras=split_extras(match["extras"] or ""),
        marker=(match["marker"] or "").strip(),
    )


def split_extras(text: str) -> tuple[str, ...]:
    """The names in ``a, b``."""
    return tuple(normalized(extra.strip()) for extra in text.split(",") if extra.strip())


def find_changes(
    wanted: Iterable[Dependency], locked: Mapping[str, Sequence[Locked]], asked_for: Collection[str]
) -> tuple[Difference, ...]:
    """What differs between ``wanted`` and ``locked``, by name.

    ``asked_for`` are the locked names that somebody asked for when the lock was written: those
    that nobody asks for now were removed.
    """
    by_name: dict[str, list[Dependency]] = {}
    for one in wanted:
        by_name.setdefault(one.name, []).append(one)
    changes: list[Difference] = []
    unsure: list[Difference] = []
    for name, group in sorted(by_name.items()):
        found = locked.get(name, ())
        unmet = dict(_unmet(group, found))
        if unmet:
            missing = ",".join(dict.fromkeys(filter(None, unmet.values())))
            shown = _shown(name, found) + (f", without [{missing}]" if missing else "")
            difference = Difference(name=name, wanted=", ".join(unmet), locked=shown)
            # One whose marker no environment of the app fulfils is rightly not in the lock.
            is_sure = found or not all(one.marker for one in group)
            (changes if is_sure else unsure).append(difference)
    for name in sorted(set(asked_for) - set(by_name)):
        shown = _shown(name, locked.get(name, ())) or name
        changes.append(Difference(name=name, wanted="", locked=shown))
    return tuple(changes or unsure)


def _unmet(group: Sequence[Dependency], found: Sequence[Locked]) -> Iterator[tuple[str, str]]:
    """Those of ``group``, as written, that nothing locked fulfils, and the extras that it lacks."""
    # One of several entries may say where the package comes from, for all of them.
    kinds = {kind_of(one.source) for one in group}
    usable = [locked for locked in found if kind_of(locked.source) in kinds]
    for one in group:
        fitting = [locked for locked in usable if one.accepts(locked.version)]
        missing = [x for x in one.extras if not any(locked.has_extra(x) for locked in fitting)]
        if not fitting or missing:
            yield one.shown, ",".join(missing if fitting else ())


def _shown(name: str, found: Sequence[Locked]) -> str:
    return " and ".join(f"{name} {locked.shown}".strip() for locked in found)
