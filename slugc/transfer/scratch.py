"""Directories for what an export or import needs for a while."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.deletion import remove_tree
from slugc.privileges import let_through

_FORGOTTEN_AFTER = 24 * 3600.0  # seconds; no transfer takes a day


@contextlib.contextmanager
def opened_scratch(parent: Path) -> Iterator[Path]:
    """A directory in ``parent``, gone at the end. The process without rights can pass through it,
    and nobody else. What a killed transfer left a day ago goes as well."""
    parent.mkdir(exist_ok=True, mode=0o700)
    let_through(parent)
    _sweep(parent)
    directory = Path(tempfile.mkdtemp(prefix="scratch-", dir=parent))
    let_through(directory)
    try:
        yield directory
    finally:
        remove_tree(directory)


def _sweep(parent: Path) -> None:
    for path in parent.glob("scratch-*"):
        with contextlib.suppress(FileNotFoundError):  # somebody else sweeps too
            if time.time() - path.stat().st_mtime > _FORGOTTEN_AFTER:
                remove_tree(path)
