"""Unpacking what strangers packed, without root's rights: for sources and buildpacks."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path, PurePosixPath

from slugc.archive.directories import DirectoryStack
from slugc.archive.extract import extract
from slugc.archive.limits import STRANGERS_LIMITS, Limits
from slugc.archive.plain_stream import Readable
from slugc.archive.strict import Contents
from slugc.privileges import RUN_GID, RUN_UID, in_dropped_child


def extract_unprivileged(
    stream: Readable, destination: Path, limits: Limits = STRANGERS_LIMITS, *, below: str = ""
) -> Contents:
    """``extract`` in a process that is not root's, into ``destination`` or a directory below it.

    That directory then belongs to whom builds run as. It may lie where that user cannot go: the
    process gets it open. What is below one it owns already is reached without following a link.
    """
    parts = tuple(os.fsencode(part) for part in PurePosixPath(below).parts)
    with DirectoryStack(destination) as directories:
        directory = directories.enter(parts)
        if os.getuid() == 0:
            os.fchown(directory, RUN_UID, RUN_GID)
        entries, size = in_dropped_child(partial(_extracted, stream, directory, limits))
    return Contents(entries=entries, size=size)


def _extracted(stream: Readable, directory: int, limits: Limits) -> tuple[int, int]:
    found = extract(stream, directory, limits)
    return found.entries, found.size
