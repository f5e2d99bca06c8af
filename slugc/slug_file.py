"""Opening what should be a slug: it may lie where somebody else puts things."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from slugc.slug_errors import NotASlugError


def open_file(path: Path) -> int:
    """A descriptor of the regular file at ``path``; a FIFO is refused and not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        found = "It is a directory." if stat.S_ISDIR(mode) else "It is no regular file."
        raise NotASlugError(path, found)
    return descriptor
