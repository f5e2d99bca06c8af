"""A difference as text and as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from buildpack.support.errors import printable
from slugc.inspection.difference import Change, Difference, LayerChange, NamedChange, PathChange
from slugc.inspection.wording import change_text, counted, size_text, table

_MARKS: Mapping[Change, str] = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}
_LONGEST = 400


def difference_text(found: Difference) -> str:
    """Everything, most telling first; empty where nothing is different, as diff(1) prints."""
    parts = [
        _named("Facts", found.facts),
        _named("Process types", found.process_types),
        _named("Default config vars", found.config_vars, values=False),
        _named("Packages", found.packages),
        _paths(found.paths),
    ]
    shown = [part for part in parts if part]
    if shown or not found.same_index:
        shown.append(_layers(found.layers))
    if shown and found.is_none:
        shown.insert(0, "The same contents, packed otherwise.\n")
    return "\n".join(shown)


def stat_text(found: Difference) -> str:
    """Counts alone, one line each."""
    return "".join(f"{line}\n" for line in _counts(found))


def _counts(found: Difference) -> Iterator[str]:
    for change in Change:
        paths = [path for path in found.paths if path.change is change]
        if paths:
            size = sum(path.after - path.before for path in paths)
            yield f"{counted(len(paths), 'path')} {change} ({change_text(size)})"
    for changes, one in (
        (found.packages, "package"),
        (found.process_types, "process type"),
        (found.config_vars, "default config var"),
        (found.facts, "fact"),
    ):
        if changes:
            names = ", ".join(printable(change.name) for change in changes[:5])
            more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
            yield f"{counted(len(changes), one)} different: {names}{more}"


def _named(title: str, changes: Iterable[NamedChange], *, values: bool = True) -> str:
    rows = [
        (_MARKS[each.change], printable(each.name), _between(each) if values else "")
        for each in changes
    ]
    return f"{title}\n{table(rows)}" if rows else ""


def _between(change: NamedChange) -> str:
    texts = (change.before, change.after)
    return " -> ".join(
        printable(text, limit=_LONGEST) or "''" for text in texts if text is not None
    )


def _paths(changes: tuple[PathChange, ...]) -> str:
    rows = [
        (
            _MARKS[each.change],
            _sizes(each),
            printable(each.path, limit=4096) + _ways(each),
        )
        for each in changes
    ]
    return f"Files\n{table(rows, right=(1,))}" if rows else ""


def _sizes(change: PathChange) -> str:
    if change.change is Change.CHANGED:
        return change_text(change.after - change.before)
    return size_text(change.before or change.after)


def _ways(change: PathChange) -> str:
    """What a changed file's size and content do not say already."""
    ways = [printable(way, limit=_LONGEST) for way in change.what if way != "size"]
    return f" ({', '.join(ways)})" if change.change is Change.CHANGED and ways else ""


def _layers(layers: tuple[LayerChange, ...]) -> str:
    rows = [("", "unpacked", "", "packed", "")]
    rows += [
        (
            printable(each.name),
            size_text(each.after),
            "the same" if each.same else change_text(each.after - each.before),
            size_text(each.packed_after),
            _packed_change(each),
        )
        for each in layers
    ]
    return f"Layers\n{table(rows, right=(1, 2, 3, 4))}"


def _packed_change(layer: LayerChange) -> str:
    """Nothing for a layer of which "the same" is said already; another compressor changes it."""
    change = layer.packed_after - layer.packed_before
    return change_text(change) if change or not layer.same else ""


def difference_document(found: Difference) -> dict[str, object]:
    """The same as data. Values of config vars stay where they are."""
    return {
        "same": found.is_none,
        "same_checksum": found.same_index,
        "facts": [_named_document(each) for each in found.facts],
        "process_types": [_named_document(each) for each in found.process_types],
        "config_vars": [{"name": x.name, "change": x.change} for x in found.config_vars],
        "packages": [_named_document(each) for each in found.packages],
        "paths": [{**dataclasses.asdict(each), "what": list(each.what)} for each in found.paths],
        "layers": [dataclasses.asdict(each) for each in found.layers],
    }


def _named_document(change: NamedChange) -> dict[str, object]:
    return {**dataclasses.asdict(change), "change": change.change}
