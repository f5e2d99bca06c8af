"""Directories for tests in which builds are made."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TRIES, _PAUSE = 100, 0.1  # seconds


@contextmanager
def open_place() -> Iterator[Path]:
    """A temporary directory that the unprivileged user of Slugkit reaches, too."""
    path = Path(tempfile.mkdtemp(prefix="slugkit-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """Builds delete what they renamed aside when they have ended already: that may meet us."""
    for _ in range(_TRIES):
        try:
            shutil.rmtree(path)
        except OSError:
            time.sleep(_PAUSE)
        else:
            return
    shutil.rmtree(path)
