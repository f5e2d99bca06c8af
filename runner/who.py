"""Who made a release: the person, also behind sudo."""

from __future__ import annotations

import os
from collections.abc import Mapping

from buildpack.support.errors import printable

_NAMES = ("SUDO_USER", "LOGNAME", "USER")
_LONGEST = 64  # characters


def determine_who(env: Mapping[str, str]) -> str:
    """The name a person is known by here: for the records, never to allow anything."""
    for name in _NAMES:
        if found := env.get(name, "").strip():
            return printable(found, limit=_LONGEST)
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a uid without a name, as in containers
        return f"uid {os.getuid()}"
