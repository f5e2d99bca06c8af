"""What is different between two slugs: ``slugc diff`` and ``slugc verify --rebuild``.

Frames of one ``diff_id`` hold the same bytes and are not read. The others are read once each, in
streams; of every file its digest is kept, not its content.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from buildpack.support.values import value
from slugc.archive.headers import MemberKind
from slugc.inspection.contents import Contents, SlugEntry, read_contents
from slugc.inspection.packages import SlugPackage, describes_a_package, find_packages
from slugc.slug import Layer, Slug
from slugc.slug_index import read_index


class Change(StrEnum):
    """What happened to something on the way from one slug to the other."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@value
class PathChange:
    """A path that is not the same in both. ``what`` names every way in which it is not."""

    path: str
    change: Change
    what: tuple[str, ...]
    before: int
    after: int
    """sizes; 0 where it is not there"""


@value
class NamedChange:
    """A package, process type or fact with its value in both; None where it is not there."""

    name: str
    before: str | None
    after: str | None

    @property
    def change(self) -> Change:
        if self.before is None:
            return Change.ADDED
        return Change.REMOVED if self.after is None else Change.CHANGED


@value
class LayerChange:
    """A layer's unpacked and packed sizes in both; 0 where it is not there."""

    name: str
    same: bool
    before: int
    after: int
    packed_before: int
    packed_after: int


@value
class Difference:
    """Everything that is different; nothing where the slugs are the same."""

    paths: tuple[PathChange, ...]
    packages: tuple[NamedChange, ...]
    process_types: tuple[NamedChange, ...]
    config_vars: tuple[NamedChange, ...]
    facts: tuple[NamedChange, ...]
    layers: tuple[LayerChange, ...]
    same_index: bool
    """whether the slugs have one checksum"""

    @property
    def is_none(self) -> bool:
        """Whether the slugs say and hold the same. How their frames are packed is their index's
        business: two compressors make other frames of the same tree."""
        groups = (self.paths, self.packages, self.process_types, self.config_vars, self.facts)
        return self.same_index or not any(groups)


def compare(before: Slug, after: Slug) -> Difference:
    """Read what is not known to be the same from the digests, and compare it."""
    if before.metadata.checksum == after.metadata.checksum:
        return _no_difference(before)
    one, other = _differing(before, after), _differing(after, before)
    old = read_contents(before, keep=describes_a_package, digests=True, layers=one)
    new = read_contents(after, keep=describes_a_package, digests=True, layers=other)
    old_facts, new_facts = before.metadata, after.metadata
    return Difference(
        paths=_paths(old, new),
        packages=_packages(before, after, old, new),
        process_types=_named(_process_types(before), _process_types(after)),
        config_vars=_named(old_facts.config_vars, new_facts.config_vars),
        facts=_named(_facts(before), _facts(after)),
        layers=_layers(before, after),
        same_index=False,
    )


def _no_difference(slug: Slug) -> Difference:
    layers = _layers(slug, slug)
    return Difference(
        paths=(),
        packages=(),
        process_types=(),
        config_vars=(),
        facts=(),
        layers=layers,
        same_index=True,
    )


def _differing(slug: Slug, other: Slug) -> tuple[Layer, ...]:
    """The frames of ``slug`` whose bytes ``other`` has nowhere, each as a layer of its own."""
    known = {frame.diff_id for layer in other.metadata.layers for frame in layer.parts}
    return tuple(
        frame
        for layer in slug.metadata.layers
        for frame in _frames(layer)
        if frame.diff_id not in known
    )


def _frames(layer: Layer) -> Iterator[Layer]:
    offset = layer.offset
    for frame in layer.parts:
        yield Layer(
            name=layer.name,
            diff_id=frame.diff_id,
            digest=frame.digest,
            size=frame.size,
            uncompressed_size=frame.uncompressed_size,
            offset=offset,
        )
        offset += frame.size


def _paths(old: Contents, new: Contents) -> tuple[PathChange, ...]:
    before = {entry.path: entry for entry in old.entries}
    changes = []
    for entry in new.entries:
        was = before.pop(entry.path, None)
        if was is None:
            changes.append(_one_sided(entry, Change.ADDED))
        elif what := _ways(was, entry):
            changes.append(
                PathChange(
                    path=entry.path,
                    change=Change.CHANGED,
                    what=what,
                    before=was.size,
                    after=entry.size,
                )
            )
    changes += [_one_sided(entry, Change.REMOVED) for entry in before.values()]
    return tuple(sorted(_without_leading(changes, old, new), key=lambda change: change.path))


def _without_leading(
    changes: Iterable[PathChange], old: Contents, new: Contents
) -> Iterable[PathChange]:
    """Directories come and go with what they hold; an empty one is told of itself.

    One that leads to a layer that only one side was read for is no change either.
    """
    leading = {
        top for contents in (old, new) for entry in contents.entries for top in _above(entry.path)
    }
    return (
        change
        for change in changes
        if change.what != (MemberKind.DIRECTORY,) or change.path not in leading
    )


def _above(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _one_sided(entry: SlugEntry, change: Change) -> PathChange:
    added = change is Change.ADDED
    return PathChange(
        path=entry.path,
        change=change,
        what=(str(entry.kind),),
        before=0 if added else entry.size,
        after=entry.size if added else 0,
    )


def _ways(old: SlugEntry, new: SlugEntry) -> tuple[str, ...]:
    """How two entries of one path differ; the layer they lie in is no difference."""
    if old.kind is not new.kind:
        return (f"{old.kind} -> {new.kind}",)
    ways = []
    if old.kind is MemberKind.FILE and old.executable is not new.executable:
        ways.append("mode 0755 -> 0644" if old.executable else "mode 0644 -> 0755")
    if old.size != new.size:
        ways.append("size")
    if old.digest != new.digest:
        ways.append("content")
    if old.target != new.target:
        ways.append(f"target {old.target} -> {new.target}")
    return tuple(ways)


def _packages(before: Slug, after: Slug, old: Contents, new: Contents) -> tuple[NamedChange, ...]:
    """Packages of the frames that were read; in the others they are the same."""
    return _named(
        _versions(find_packages(before, old).packages),
        _versions(find_packages(after, new).packages),
    )


def _versions(packages: Iterable[SlugPackage]) -> Mapping[str, str]:
    found: dict[str, list[str]] = {}
    for package in packages:
        found.setdefault(package.name, []).append(package.version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _process_types(slug: Slug) -> Mapping[str, str]:
    return {str(kind): command for kind, command in slug.metadata.process_types.items()}


def given_name(slug: Slug) -> str:
    """The app's name if somebody gave it one; ``metadata.name`` is else the file's."""
    name = json.loads(read_index(slug.archive).document)["name"]
    return name if isinstance(name, str) else ""


def _facts(slug: Slug) -> Mapping[str, str]:
    metadata = slug.metadata
    facts = {
        "stack": metadata.stack.id,
        "glibc": metadata.stack.glibc,
        "arch": metadata.stack.arch,
        "format": str(slug.format),
    }
    if name := given_name(slug):
        facts["name"] = name
    if metadata.python_version:
        facts["python"] = metadata.python_version
    if metadata.commit:
        facts["commit"] = metadata.commit
    facts |= metadata.materials  # Slugkit's version, and where the source came from
    for place, record in enumerate(metadata.buildpacks, start=1):
        facts[f"buildpack {place}"] = f"{record.name} {record.version} {record.digest}"
    return facts


def _named(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[NamedChange, ...]:
    names = sorted({*old, *new})
    changes = (NamedChange(name=x, before=old.get(x), after=new.get(x)) for x in names)
    return tuple(change for change in changes if change.before != change.after)


def _layers(before: Slug, after: Slug) -> tuple[LayerChange, ...]:
    old = {layer.name: layer for layer in before.metadata.layers}
    new = {layer.name: layer for layer in after.metadata.layers}
    return tuple(_layer(name, old.get(name), new.get(name)) for name in {**old, **new})


def _layer(name: str, old: Layer | None, new: Layer | None) -> LayerChange:
    return LayerChange(
        name=name,
        same=old is not None and new is not None and old.diff_id == new.diff_id,
        before=old.uncompressed_size if old else 0,
        after=new.uncompressed_size if new else 0,
        packed_before=old.size if old else 0,
        packed_after=new.size if new else 0,
    )
