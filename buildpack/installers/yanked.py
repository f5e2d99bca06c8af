"""Releases that were withdrawn ('yanked', PEP 592), and are installed because they were asked for.

Nothing that is installed says so. It is noted beside the virtualenv's packages, for who lists them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from buildpack.support import files
from buildpack.support.errors import printable
from buildpack.venv import Venv

FILE = "yanked.json"
_WARNING = re.compile(
    r"warning: `(?P<release>[^`]+==[^`]+)` is yanked(?: \(reason: \"(?P<why>.*)\"\))?"
)


def note_yanked(venv: Venv, lines: Sequence[str]) -> None:
    """Keep what uv said of them: each release with its authors' reason, empty if they gave none.

    What an earlier run noted stays for as long as it is installed.
    """
    noted, found = read_yanked(venv), _releases(lines)
    if noted:
        installed = set(_installed(venv))
        found = {name: why for name, why in noted.items() if name in installed} | found
    if found:
        text = json.dumps(found, indent=1, sort_keys=True) + "\n"
        files.write_whole(venv.root / FILE, text)
    elif noted:
        (venv.root / FILE).unlink()


def _releases(lines: Sequence[str]) -> dict[str, str]:
    matches = (_WARNING.match(line.strip()) for line in lines)
    return {match["release"]: match["why"] or "" for match in matches if match}


def _installed(venv: Venv) -> Iterator[str]:
    from buildpack.support.names import normalized

    for info in venv.site_packages.glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        yield f"{normalized(name)}=={version}"


def read_yanked(venv: Venv) -> Mapping[str, str]:
    """What was noted: releases and reasons. A note that a hook has spoilt is none."""
    try:
        found = json.loads((venv.root / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def yanked_warning(venv: Venv) -> str:
    """What to say of them in every build, also in one that installs nothing; "" without any."""
    found = read_yanked(venv)
    if not found:
        return ""
    listing = "\n".join(
        f"  {printable(release)}: {printable(why) if why else 'no reason given'}"
        for release, why in found.items()
    )
    return (
        "Your app uses what its authors have withdrawn ('yanked')\n\n"
        f"{listing}\n\n"
        "It is installed because your app asks for exactly that version.\n"
        "Choose another one."
    )
