"""A slug's files in a directory, unpacked through the same door as everywhere."""

from __future__ import annotations

import os
from pathlib import Path

from slugc.archive.extract import extract
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.slug import Slug
from slugc.slug_verify import tar_chunks
from slugc.transfer.streams import ChunkReader


def write_tree(slug: Slug, directory: Path) -> None:
    """Fill the empty ``directory`` with what lies under ./app/ in the verified slug.

    The files belong to whoever calls, with modes 0644 and 0755: nothing in a slug can be more.
    """
    limits = Limits(packed=DEFAULT_LIMITS.unpacked * 2, unpacked=DEFAULT_LIMITS.unpacked)
    extract(ChunkReader(tar_chunks(slug)), directory, limits, root="app")
    directory.chmod(0o755 & ~_umask())


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
