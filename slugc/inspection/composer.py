"""PHP's packages: what Composer notes beside those it has installed."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping

from slugc.inspection.distributions import FoundPackage

INSTALLED = "composer/installed.json"
_NAME = re.compile(r"[a-z0-9]([_.-]?[a-z0-9]+)*/[a-z0-9](([_.]|-{1,2})?[a-z0-9]+)*")


def is_telling(path: str) -> bool:
    """Whether Composer wrote it to say what it has installed."""
    return path.endswith(INSTALLED) and f"/{path}".endswith(f"/{INSTALLED}")


def find_php(kept: Mapping[str, bytes], paths: Collection[str]) -> Iterator[FoundPackage]:
    """Every package that such a note names and whose directory is there."""
    found = {
        _directory(note, said): said
        for note in sorted(filter(is_telling, kept))
        for said in _listed(kept[note])
    }
    files: dict[str, list[str]] = {}
    for path in paths if found else ():
        directory = _above(path, found)
        if directory is not None:
            files.setdefault(directory, []).append(path)
    for directory, own in sorted(files.items()):
        said = found[directory]
        yield FoundPackage(
            name=str(said["name"]),
            version=_version(said),
            licence=_licence(said),
            path=directory,
            files=own,
        )


def _above(path: str, directories: Collection[str]) -> str | None:
    """The nearest of these directories that ``path`` lies in."""
    while path:
        path = posixpath.dirname(path)
        if path in directories:
            return path
    return None


def _listed(content: bytes) -> Iterator[Mapping[str, object]]:
    """The packages of a note, of Composer 1 (a list) or 2 (a list below ``packages``)."""
    try:
        document: object = json.loads(content)
    except (ValueError, RecursionError):
        return
    listed = document.get("packages") if isinstance(document, dict) else document
    for each in listed if isinstance(listed, list) else ():
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(name, str) and _NAME.fullmatch(name):
            yield each


def _directory(note: str, said: Mapping[str, object]) -> str:
    """Relative to the note, as Composer 2 says; else by its name beside ``composer``."""
    beside = posixpath.dirname(note)
    where = said.get("install-path")
    found = where if isinstance(where, str) else f"../{said['name']}"
    return posixpath.normpath(posixpath.join(beside, found))


def _version(said: Mapping[str, object]) -> str:
    found = said.get("version")
    return found.removeprefix("v") if isinstance(found, str) else ""


def _licence(said: Mapping[str, object]) -> str | None:
    """Several are a choice (docs/04-schema.md of Composer)."""
    found = said.get("license")
    names = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return " OR ".join(name for name in names if isinstance(name, str)) or None
