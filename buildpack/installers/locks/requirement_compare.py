"""Are two lists of requirements the same, although two programs wrote them?

Spelling is not a difference: order, spaces, and markers that are true in the same places. Where
the two cannot be compared, they count as equal: a tool of its own has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product

from buildpack.installers.locks.project_errors import Difference
from buildpack.support.values import value

ANY_SOURCE = "any"

PYTHONS = tuple(f"3.{minor}" for minor in range(8, 16))
PLATFORMS = (
    ("linux", "Linux", "posix", "x86_64"),
    ("linux", "Linux", "posix", "aarch64"),
    ("darwin", "Darwin", "posix", "arm64"),
    ("win32", "Windows", "nt", "AMD64"),
)
IMPLEMENTATIONS = (("cpython", "CPython"), ("pypy", "PyPy"))


@value
class Wish:
    """One requirement, from either side. ``source`` is where it comes from: an index, git ..."""

    name: str
    extras: frozenset[str]
    specifier: str
    source: str
    marker: str

    def shown(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        source = {"registry": "", "local": " (local)", ANY_SOURCE: ""}.get(
            self.source, f" ({self.source})"
        )
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{self.specifier}{source}{marker}"

    def same_but_marker(self, other: Wish) -> bool:
        if (self.name, self.extras) != (other.name, other.extras):
            return False
        if ANY_SOURCE in {self.source, other.source}:
            return True
        return self.source == other.source and _same_specifier(self.specifier, other.specifier)


def source_of(source: object) -> str:
    """The kind of an entry in [tool.uv.sources]."""
    if not isinstance(source, dict):
        return ANY_SOURCE  # A list: one for each marker.
    if source.get("workspace") is True or "path" in source:
        return "local"
    return next((kind for kind in ("git", "url") if kind in source), "registry")


def compare(
    locked: Iterable[Wish], wanted: Iterable[Wish], requires_python: str, *, label: str = ""
) -> Iterator[Difference]:
    """What differs, by name. ``label`` goes in front of the names."""
    left, right = _by_name(locked), _by_name(wanted)
    for name in sorted({*left, *right}):
        ours, theirs = left.get(name, []), right.get(name, [])
        if not _same(ours, theirs, requires_python):
            yield Difference(name=f"{label}{name}", locked=_shown(ours), wanted=_shown(theirs))


def _shown(wishes: list[Wish]) -> str:
    return ", ".join(wish.shown() for wish in wishes)


def _by_name(wishes: Iterable[Wish]) -> dict[str, list[Wish]]:
    found: dict[str, list[Wish]] = {}
    for wish in wishes:
        found.setdefault(wish.name, []).append(wish)
    return found


def _same(one: list[Wish], other: list[Wish], requires_python: str) -> bool:
    if not one or not other:
        return False
    for wishes, others in ((one, other), (other, one)):
        if not all(any(wish.same_but_marker(x) for x in others) for wish in wishes):
            return False
    pairs = [(a, b) for a in one for b in other if a.same_but_marker(b)]
    if len(one) == len(other) == len(pairs) and all(_same_text(a, b) for a, b in pairs):
        return True
    return all(_same_places(wish, one, other, requires_python) for wish in one)


def _same_text(one: Wish, other: Wish) -> bool:
    first, second = (re.sub(r"\s+", "", x.marker).replace('"', "'") for x in (one, other))
    return first == second


def _same_places(wish: Wish, one: list[Wish], other: list[Wish], requires_python: str) -> bool:
    """Are those like ``wish`` wanted in the same environments on both sides?"""
    left = [x.marker for x in one if wish.same_but_marker(x)]
    right = [x.marker for x in other if wish.same_but_marker(x)]
    extras = _extras_in((*left, *right))
    try:
        return all(
            _any_true(left, environment) == _any_true(right, environment)
            for environment in _environments(requires_python, extras)
        )
    except (ValueError, RecursionError):  # packaging's: no marker, or one of no meaning
        return True


def _any_true(markers: list[str], environment: dict[str, str]) -> bool:
    from packaging.markers import Marker

    return any(not marker or Marker(marker).evaluate(environment) for marker in markers)


def _extras_in(markers: Iterable[str]) -> tuple[str, ...]:
    found = {name for marker in markers for name in re.findall(r"extra == ['\"]([^'\"]+)", marker)}
    return ("", *sorted(found))


def _environments(requires_python: str, extras: tuple[str, ...]) -> Iterator[dict[str, str]]:
    from packaging.specifiers import SpecifierSet

    pythons = list(SpecifierSet(requires_python).filter(f"{x}.99" for x in PYTHONS))
    for full, platform, implementation, extra in product(
        pythons, PLATFORMS, IMPLEMENTATIONS, extras
    ):
        yield {
            "python_version": str(full).rpartition(".")[0],
            "python_full_version": str(full),
            "implementation_version": str(full),
            "sys_platform": platform[0],
            "platform_system": platform[1],
            "os_name": platform[2],
            "platform_machine": platform[3],
            "implementation_name": implementation[0],
            "platform_python_implementation": implementation[1],
            "extra": extra,
        }


def _same_specifier(one: str, other: str) -> bool:
    if _clauses(one) == _clauses(other):
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(one) == SpecifierSet(other)
    except InvalidSpecifier:
        return False


def _clauses(specifier: str) -> frozenset[str]:
    return frozenset(re.sub(r"\s+", "", specifier).split(","))
