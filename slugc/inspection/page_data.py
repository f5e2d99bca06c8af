"""What the page's treemap is drawn from: two trees, cut where nobody could see anything."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

from buildpack.support.errors import printable
from slugc.archive.headers import MemberKind
from slugc.inspection.contents import Contents, SlugEntry
from slugc.inspection.directory_tree import Node, make_named_tree, make_tree
from slugc.inspection.packages import PackageKind, Packages, SlugPackage
from slugc.inspection.sizes import Remainder
from slugc.packing.layers import APP

MOST_NODES = 6000
"""Of one treemap: more would be smaller than a pixel, and the page larger than a megabyte."""

# [name, size, files, layer] of a file; a directory has a list of the same as well. What is too
# small to be drawn is one entry of its directory without a layer (-1).
Drawn = list[object]


def by_directory(contents: Contents, layers: Sequence[str]) -> Drawn:
    """The slug as its directories."""
    return _drawn(make_tree(contents.entries), layers)


def by_package(contents: Contents, packages: Packages, layers: Sequence[str]) -> Drawn:
    """The slug as its packages; each begins where its own directories part."""
    return _drawn(make_named_tree(_by_owner(contents, packages)), layers)


def _by_owner(contents: Contents, packages: Packages) -> Iterator[tuple[str, SlugEntry]]:
    names = _titles(packages.packages)
    homes = {package.path: _home(package) for package in packages.packages}
    for entry in contents.entries:
        if entry.kind is MemberKind.DIRECTORY:
            continue
        owner = packages.owners.get(entry.path)
        if owner is None:
            yield f"{Remainder(layer=entry.layer, files=0, size=0).title}/{entry.path}", entry
        else:
            path = entry.path.removeprefix(homes[owner.path])
            yield f"{names[owner.path]}/{path}", entry


def _titles(packages: Sequence[SlugPackage]) -> Mapping[str, str]:
    """A name for each, two of the same name told apart by where they are."""
    titles: dict[str, str] = {}
    for package in packages:
        title = f"{package.name} {package.version}".replace("/", "∕").strip() or "?"  # noqa: RUF001  # a slash that parts no path
        taken = title in titles.values()
        titles[package.path] = f"{title} ({package.path.replace('/', '∕')})" if taken else title  # noqa: RUF001  # as above
    return titles


def _home(package: SlugPackage) -> str:
    """What all its paths begin with, more or less: they are shown without it."""
    inside = package.kind is not PackageKind.PYTHON
    return f"{package.path if inside else package.path.rpartition('/')[0]}/"


def _drawn(root: Node, layers: Sequence[str]) -> Drawn:
    largest = heapq.nlargest(MOST_NODES + 1, (node.size for node in root.walk()))
    # The first size there is no room for is too small, and so are others of that size.
    smallest = largest[-1] + 1 if len(largest) > MOST_NODES else 1
    return _draw(root, smallest, {name: place for place, name in enumerate(layers)})


def _draw(node: Node, smallest: int, layers: Mapping[str, int]) -> Drawn:
    name, node = _joined(node)
    drawn: Drawn = [_shown(name), node.size, node.files, layers.get(_layer(node), -1)]
    if node.below is None:
        return drawn
    children = node.children
    below = [_draw(child, smallest, layers) for child in children if child.size >= smallest]
    rest = [child for child in children if child.size < smallest]
    if size := sum(child.size for child in rest):
        files = sum(child.files for child in rest)
        below.append([f"{files:,} small files", size, files, -1])
    return [*drawn, below]


def _joined(node: Node) -> tuple[str, Node]:
    """A directory that holds one directory alone is drawn as one: ``lib/python3.13``."""
    name = node.name
    while node.name and node.below is not None and len(node.below) == 1:
        (only,) = node.below.values()
        if only.below is None:
            break
        name, node = f"{name}/{only.name}", only
    return name, node


def _layer(node: Node) -> str:
    """A directory is drawn in the colour of what most of it is."""
    while node.below:
        node = max(node.below.values(), key=lambda child: child.size)
    return node.layer or APP


def _shown(name: str) -> str:
    """A name as text that any browser takes: bytes that are no UTF-8 are escaped."""
    return printable(name, limit=300)
