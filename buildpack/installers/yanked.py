"""Releases that were withdrawn ('yanked', PEP 592), and are installed because they were asked for.

Nothing that is installed says so. It is noted beside the virtualenv's packages, for who lists them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from buildpack.support import files
from buildpack.venv import Venv

FILE = "yanked.json"
_WARNING = re.compile(
    r"warning: `(?P<release>[^`]+==[^`]+)` is yanked(?: \(reason: \"(?P<why>.*)\"\))?"
)


def note_yanked(venv: Venv, lines: Sequence[str]) -> None:
    """Keep what uv said of them: each release with its authors' reason, empty if they gave none."""
    found = {
        match["release"]: match["why"] or ""
        for line in lines
        if (match := _WARNING.match(line.strip()))
    }
    note = venv.root / FILE
    if found:
        files.write_atomically(note, json.dumps(found, indent=1, sort_keys=True) + "\n")
    else:
        note.unlink(missing_ok=True)
