"""The frames of a slug's layers, each with what most of it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from slugc.inspection.contents import Contents, SlugEntry
from slugc.inspection.markup import Markup, element, number_cell, table
from slugc.inspection.packages import PackageKind, Packages, SlugPackage
from slugc.inspection.wording import counted, size_text
from slugc.slug import Slug

_NAMED = 3


def frames_table(slug: Slug, contents: Contents, packages: Packages) -> Iterator[Markup]:
    """Nothing where every layer is one frame."""
    if not any(layer.frames for layer in slug.metadata.layers):
        return
    held = _held(contents, packages)
    rows = (
        (
            layer.name,
            number_cell(f"{number}", number),
            number_cell(size_text(frame.size), frame.size),
            number_cell(size_text(frame.uncompressed_size), frame.uncompressed_size),
            _named(held.get((layer.name, number - 1), Counter())),
            element("td", element("code", frame.digest[:19]), title=frame.digest),
        )
        for layer in slug.metadata.layers
        for number, frame in enumerate(layer.parts, start=1)
    )
    heads = ("Layer", "Frame", "Packed", "Unpacked", "Most of it", "Digest")
    listing = table(heads, rows, caption="", class_="sort")
    count = sum(len(layer.parts) for layer in slug.metadata.layers)
    title = f"Its {counted(count, 'frame')}: what did not change is copied from the last slug"
    yield element("details", element("summary", title), element("div", listing, class_="scroll"))


def _held(contents: Contents, packages: Packages) -> dict[tuple[str, int], Counter[str]]:
    held: dict[tuple[str, int], Counter[str]] = {}
    for entry in contents.entries:
        name = _name(entry, packages.owners.get(entry.path))
        held.setdefault((entry.layer, entry.frame), Counter())[name] += entry.size
    return held


def _name(entry: SlugEntry, owner: SlugPackage | None) -> str:
    """The package; of a runtime, which is one package in many frames, the directory."""
    if owner is None:
        return entry.path.partition("/")[0]
    if owner.kind is not PackageKind.RUNTIME:
        return owner.name
    below = entry.path.removeprefix(f"{owner.path}/")
    return "/".join(below.split("/")[:3])


def _named(held: Counter[str]) -> str:
    names = [name for name, size in held.most_common(_NAMED) if size]
    more = sum(1 for size in held.values() if size) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
