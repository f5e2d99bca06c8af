"""Files that a killed build has left without their logins: as they were, before they are read.

Such a build had no time to put them back itself (hidden_logins.py).
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from buildpack.app import App

ORIGINAL = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.original")


def original_of(path: Path) -> Path:
    """A new name beside ``path``, where whoever finds what a killed build has left finds it."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}.original")


def bring_back_originals(app: App) -> None:
    """Put back what a killed build has left in the app's directory, or in that of its source."""
    for directory in dict.fromkeys((app.root, app.source or app.root)):
        for name in sorted(App(root=directory).names()):
            if match := ORIGINAL.fullmatch(name):
                _bring_back(directory / name, directory / match["name"])


def _bring_back(original: Path, path: Path) -> None:
    """Only in the place of what we have written there: anything else is somebody's work."""
    from buildpack.installers.hidden_logins import without_logins_in  # wanted by hardly any build

    if not stat.S_ISREG(original.lstat().st_mode) or not os.access(original, os.R_OK):
        return
    hidden = without_logins_in(original)
    if hidden is None:
        return
    if not os.path.lexists(path) or (path.is_file() and path.read_bytes() == hidden.encode()):
        original.replace(path)
