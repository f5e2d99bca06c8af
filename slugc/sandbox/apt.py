"""What of this machine apt-get goes by when a buildpack fetches packages with it, as
heroku-buildpack-apt does: sources, who signs them, and which packages are here already.

No login. A source that asks for one, or is a directory of this machine, is not there either:
apt-get would fail for it as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from slugc.sandbox.reachable import is_reachable

_SHOWN = (
    "etc/apt/keyrings",
    "etc/apt/trusted.gpg",
    "etc/apt/trusted.gpg.d",
    "var/lib/dpkg/status",
)
_SOURCES = ("sources.list", "sources.list.d/*", "mirrors/*")
"""The last are lists of servers that a source may name (mirror+file:), as Debian's clouds do."""
_COMMENT = re.compile(r"^\s*#.*", re.MULTILINE)
_LOGIN = re.compile(r"://[^/\s]*@")
_HERE = re.compile(r"\s(?:file|copy|cdrom):")
_MACHINE = re.compile(r"\bmachine\s+(?:[\w+.-]+://)?(\S+)")
_ALWAYS_WITH_LOGIN = ("esm.ubuntu.com",)
"""Ubuntu Pro, whose login only root can read."""


def apt_paths(root: Path, *, uid: int) -> Iterator[Path]:
    """The files and directories below ``root`` to show to a build that ``uid`` runs."""
    directory = root / "etc/apt"
    yield from (path for name in _SHOWN if _is_shown(path := root / name, uid))
    with_login = (*_ALWAYS_WITH_LOGIN, *_machines_with_login(directory))
    for pattern in _SOURCES:
        for path in sorted(directory.glob(pattern)):
            if _is_shown(path, uid) and path.is_file() and _can_be_used(path, with_login):
                yield path


def _is_shown(path: Path, uid: int) -> bool:
    try:
        return is_reachable(path, uid=uid)
    except OSError:
        return False


def _can_be_used(source: Path, with_login: tuple[str, ...]) -> bool:
    text = source.read_text(errors="replace")
    named = _COMMENT.sub("", text)
    if _LOGIN.search(text) or _HERE.search(named):
        return False
    return not any(f"://{machine}" in named for machine in with_login)


def _machines_with_login(directory: Path) -> Iterator[str]:
    """What auth.conf has logins for, HOST[:PORT][/PATH], as far as we may read it."""
    for path in (directory / "auth.conf", *directory.glob("auth.conf.d/*")):
        try:
            yield from _MACHINE.findall(path.read_text(errors="replace"))
        except OSError:
            continue
