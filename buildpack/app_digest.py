"""One digest for a part of the app: it changes when the content does, and with nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from buildpack.app import UnreadableFileError


def path_digest(root: Path, name: str) -> str:
    """sha256 of a file or directory of the app: names, kinds, "may be run", contents."""
    digest = hashlib.sha256()
    for path in _walk(root / name):
        relative = os.fsencode(os.path.relpath(path, root))
        digest.update(relative + b"\0")
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()) + b"\0")
        elif path.is_file():
            digest.update(b"x" if os.access(path, os.X_OK) else b"-")
            digest.update(_file_digest(path, os.fsdecode(relative)))
    return digest.hexdigest()


def _file_digest(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as err:
        raise UnreadableFileError(name, f"the system says: {(err.strerror or '').lower()}") from err


def _walk(top: Path) -> Iterable[Path]:
    if not top.is_dir() or top.is_symlink():
        yield top
        return
    for directory, names, filenames in os.walk(top):
        names[:] = sorted(name for name in names if name not in {".heroku", ".git"})
        links = [name for name in names if Path(directory, name).is_symlink()]
        for name in sorted(filenames + links):
            yield Path(directory, name)
