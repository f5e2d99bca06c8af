"""What `slugc prune` tells."""

from __future__ import annotations

import json
from collections.abc import Iterable

from slugc.upkeep.inventory import Item, Kind
from slugc.upkeep.prune import Pruned
from slugc.upkeep.units import shown_size

_SHOWN = {
    Kind.LAYERS: "unpacked layers",
    Kind.FRAMES: "compressed frames",
    Kind.SIGNATURES: "notes on trees",
    Kind.JUDGED: "notes on slugs",
    Kind.BUILDPACKS: "buildpacks",
    Kind.CACHES: "build caches",
    Kind.HISTORY: "records of builds",
    Kind.LEFTOVERS: "left over by what was killed",
}


def as_text(pruned: Pruned) -> str:
    """A line for each kind, then what is in use, then the sum."""
    verb = "Would free" if pruned.dry_run else "Freed"
    lines = [
        f"{_SHOWN[kind]}: {count:,} ({shown_size(size)})"
        for kind, (count, size) in _by_kind(pruned.removed).items()
    ]
    lines += [
        f"in use, kept: {count:,} {_SHOWN[kind]} ({shown_size(size)})"
        for kind, (count, size) in _by_kind(pruned.in_use).items()
    ]
    freed, left = shown_size(pruned.freed), shown_size(pruned.left)
    return "\n".join(
        [*lines, f"{verb} {freed}; {left} {'would be' if pruned.dry_run else 'is'} left."]
    )


def as_json(pruned: Pruned) -> str:
    """One object, for programs."""
    document = {
        "dry_run": pruned.dry_run,
        "freed": pruned.freed,
        "left": pruned.left,
        "removed": _counts(pruned.removed),
        "in_use": _counts(pruned.in_use),
    }
    return json.dumps(document)


def _counts(items: Iterable[Item]) -> dict[str, dict[str, int]]:
    return {
        kind.value: {"count": count, "size": size}
        for kind, (count, size) in _by_kind(items).items()
    }


def _by_kind(items: Iterable[Item]) -> dict[Kind, tuple[int, int]]:
    found: dict[Kind, tuple[int, int]] = {}
    for item in items:
        count, size = found.get(item.kind, (0, 0))
        found[item.kind] = (count + 1, size + item.size)
    return {kind: found[kind] for kind in Kind if kind in found}
