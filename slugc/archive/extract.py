"""Unpacking any archive: the one way in for slugs, source tarballs and buildpacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.plain_stream import Readable
from slugc.archive.strict import Contents, StrictArchive


def extract(
    stream: Readable,
    destination: Path | int,
    limits: Limits = DEFAULT_LIMITS,
    *,
    root: str = "",
    ends: bool = True,
    watch: Callable[[bytes], object] | None = None,
) -> Contents:
    """Unpack ``stream`` (tar, plain or as zstd or gzip) into the empty directory ``destination``.

    ``root="app"`` unpacks what lies under ``./app/`` and refuses anything beside it. ``ends``
    False is for one layer of a slug, whose end blocks lie elsewhere. ``watch`` sees the tar bytes
    as they are read. ``destination`` may be an open directory.

    Raises ArchiveError, and then it holds an unfinished tree: unpack into a temporary one.
    """
    archive = StrictArchive(stream, limits=limits, root=root, ends=ends, watch=watch)
    archive.extractall(destination)
    return archive.contents
