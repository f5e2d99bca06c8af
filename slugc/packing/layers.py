"""Which part of a built tree goes into which layer.

Layers are ordered from what changes least to what changes most, so a changed app leaves the
frames before it where they were.
"""

from __future__ import annotations

from collections.abc import Iterable

from buildpack.support.values import value
from slugc.archive.headers import MemberKind
from slugc.archive.judge import TreePath
from slugc.archive.scan import Entry

APP = "app"

# Where buildpacks put what an app does not change by itself. A directory listed here is a layer
# of its own only if the build made it, as a real directory; everything else is the app.
LAYER_DIRECTORIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "runtime",
        (
            ".heroku/python",  # ours, and Heroku's Python buildpack
            ".heroku/node",  # Heroku's Node.js buildpack
            ".heroku/php",
            ".heroku/go",
            ".jdk",  # Heroku's Java, Scala and Clojure buildpacks
            "vendor/jvm",
        ),
    ),
    (
        "dependencies",
        (
            ".heroku/venv",  # ours
            ".venv",
            "node_modules",
            "vendor/bundle",  # Bundler
            ".apt",  # heroku-buildpack-apt
            ".m2",
        ),
    ),
)


LAYER_NAMES = (*(name for name, _ in LAYER_DIRECTORIES), APP)
"""Every layer there can be, lowest first."""


@value
class LayerPlan:
    """One layer to be: its entries in packing order, with the directories that lead to them."""

    name: str
    entries: tuple[Entry, ...]
    roots: tuple[TreePath, ...] = ()
    """the directories that are this layer's own; none for the app"""


def plan_layers(entries: Iterable[Entry]) -> tuple[LayerPlan, ...]:
    """Split what a scan found into layers, lowest first; layers without entries are left out.

    The app is always there: it is what a slug is about.
    """
    roots = _layer_roots()
    found: dict[str, list[Entry]] = {name: [] for name, _ in LAYER_DIRECTORIES}
    found[APP] = []
    tops: dict[str, list[TreePath]] = {name: [] for name in found}
    parents: dict[TreePath, Entry] = {}
    layer, below = APP, 0
    for entry in entries:
        path = entry.path
        if len(path) <= below:
            layer, below = APP, 0
        if layer == APP and entry.kind is MemberKind.DIRECTORY:
            parents[path] = entry
            if path in roots:
                layer, below = roots[path], len(path)
                tops[layer].append(path)
                _add_parents(found[layer], path, parents)
        found[layer].append(entry)
    return tuple(
        LayerPlan(name=name, entries=tuple(members), roots=tuple(tops[name]))
        for name, members in found.items()
        if members or name == APP
    )


def _layer_roots() -> dict[TreePath, str]:
    return {
        tuple(directory.encode().split(b"/")): name
        for name, directories in LAYER_DIRECTORIES
        for directory in directories
    }


def _add_parents(members: list[Entry], path: TreePath, parents: dict[TreePath, Entry]) -> None:
    """The directories that lead to a layer's root are part of that layer too."""
    have = {entry.path for entry in members if entry.kind is MemberKind.DIRECTORY}
    for depth in range(1, len(path)):
        if path[:depth] not in have:
            members.append(parents[path[:depth]])
