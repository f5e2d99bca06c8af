"""Moving what a build left, whatever modes it has."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def is_real_dir(path: Path) -> bool:
    """Whether a directory lies there, and no link to one."""
    return stat.S_ISDIR(path.lstat().st_mode)


def move(path: Path, to: Path) -> None:
    """Rename, into another directory too: for that its owner must be able to write to a
    directory, because its ``..`` changes."""
    if os.getuid() != 0 and is_real_dir(path):
        path.chmod(stat.S_IMODE(path.lstat().st_mode) | stat.S_IRWXU)
    path.rename(to)
