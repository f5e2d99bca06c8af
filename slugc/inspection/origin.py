"""Whether a file of a slug comes from its source: the source itself is asked, where it still is."""

from __future__ import annotations

import hashlib
import os
import stat
from enum import StrEnum
from pathlib import Path

from slugc.archive.headers import MemberKind
from slugc.inspection.contents import SlugEntry


class Origin(StrEnum):
    """What the source has where the slug has a file, link or directory."""

    SOURCE = "source"
    """the same"""
    CHANGED = "changed"
    """something else: a buildpack changed it, or somebody changed the source since"""
    BUILD = "build"
    """nothing"""


def find_origin(source: Path, entry: SlugEntry) -> Origin:
    """Where ``entry`` comes from; its digest has been taken. Raises OSError for what cannot be
    read."""
    place = source / entry.path
    try:
        found = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Origin.BUILD
    return Origin.SOURCE if _is_same(place, found, entry) else Origin.CHANGED


def _is_same(place: Path, mode: int, entry: SlugEntry) -> bool:
    match entry.kind:
        case MemberKind.DIRECTORY:
            return stat.S_ISDIR(mode)
        case MemberKind.SYMLINK:
            return stat.S_ISLNK(mode) and os.fspath(place.readlink()) == entry.target
        case _:
            return stat.S_ISREG(mode) and _sha256(place) == entry.digest


def _sha256(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()
