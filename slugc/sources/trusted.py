"""What a source may have fetched with the rights of the person who builds.

A source names repositories and tarballs: .gitmodules, .buildpacks, app.json. Whoever wrote those
files need not be the one who builds. So what they name is fetched as a stranger would fetch it,
from elsewhere alone: without keys, passwords and credential helpers, from no address and no
repository of this machine. What the person names is fetched with all they have, and so is what the
source names on the same host, or at a place given with --trust.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable, printable_path
from buildpack.support.values import changed, value
from slugc.sources.git.here import host_of

if TYPE_CHECKING:
    from buildpack.support.peers import Peers, Place

OPTION = "--trust"
VARIABLE = "SLUGC_TRUST"

_PORTS = {"http": 80, "https": 443, "ssh": 22, "git": 9418}
_SEALED = frozenset({"https", "ssh"})
"""Where the server proves who it is before it is told anything, and nobody on the way listens."""


class TrustError(UsageError):
    """--trust names no host and no directory."""

    id = "trust"

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(
            f"'{printable(word)}' is neither a host nor a directory that is there",
            resolution=f"slugc build {OPTION} git.example.org\n"
            f"slugc build {OPTION} localhost:8000\nslugc build {OPTION} /srv/git",
        )


class NotTrustedError(SlugkitError):
    """A source names a place that would be reached with the user's rights."""

    exit_code = ExitCode.DATA
    id = "not-trusted"

    def __init__(self, url: str, found: str, place: str) -> None:
        self.url, self.found, self.place = url, found, place
        named = f"slugc build {OPTION} {printable_path(place)}"
        super().__init__(
            f"{printable_path(url)} is not fetched for a source that names it",
            details=found,
            resolution=f"If you want it to be, say so: {named}",
        )


@value
class Trusted:
    """Hosts and directories that the person who builds has named."""

    hosts: frozenset[Place] = frozenset()
    given: frozenset[tuple[str, Place]] = frozenset()
    """the same, with the scheme of the URL that named them"""
    directories: tuple[Path, ...] = ()

    def naming(self, url: str) -> Trusted:
        """With the host of a URL that the user gave."""
        host = host_of(url)
        return self._naming(_scheme_of(url), (host, port_of(url))) if host else self

    def _naming(self, scheme: str, place: Place) -> Trusted:
        return changed(self, hosts=self.hosts | {place}, given=self.given | {(scheme, place)})

    def holding(self, directory: Path) -> Trusted:
        """With a directory that the user gave, and all that lies in it."""
        return changed(self, directories=(*self.directories, directory.resolve()))

    def names(self, url: str) -> bool:
        """Whether its host may be asked with the user's keys and passwords.

        Over http, where others on the way read them, only at a URL's place that the user gave so.
        """
        scheme, host, port = _scheme_of(url), host_of(url), port_of(url)
        if (scheme, (host, port)) in self.given:
            return True
        is_usual = port == _PORTS.get(scheme) and any(host == named for named, _ in self.hosts)
        return scheme in _SEALED and (is_usual or self.names_port(url))

    def names_port(self, url: str) -> bool:
        """Whether it may be this machine: there, one port is not as good as another."""
        return bool({(host_of(url), port_of(url)), (host_of(url), None)} & self.hosts)

    def holds(self, path: Path) -> bool:
        """Whether a place of this machine is in a directory that the user named."""
        real = path.resolve()
        return any(real.is_relative_to(directory) for directory in self.directories)

    @property
    def peers(self) -> Peers:
        """Whom to connect to for what a source names."""
        from buildpack.support.peers import Peers

        hint = (
            "A source, and a server that sends us on, may name places elsewhere alone. If you\n"
            f"mean this one, say so: slugc build {OPTION} {{host}}"
        )
        return Peers(named=self.hosts, hint=hint)


NOBODY = Trusted()


def host_and_port(url: str) -> str:
    """As it is written after --trust."""
    host = host_of(url)
    shown = f"[{host}]" if ":" in host else host
    usual = _PORTS.get(_scheme_of(url))
    port = port_of(url)
    return shown if port in {0, usual} else f"{shown}:{port}"


def _scheme_of(url: str) -> str:
    return urlsplit(url).scheme if "://" in url else "ssh"


def port_of(url: str) -> int:
    """The port a URL leads to; 0 where that is none."""
    parts = urlsplit(url if "://" in url else "ssh://host")
    try:
        return parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return 0


def parse_trusted(words: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Trusted:
    """What ``--trust`` and SLUGC_TRUST (with commas between) name."""
    found = Trusted()
    for word in (*words, *filter(None, env.get(VARIABLE, "").split(","))):
        found = _with(found, word.strip(), cwd)
    return found


def _with(found: Trusted, word: str, cwd: Path) -> Trusted:
    if "://" not in word and (word.startswith((".", "~")) or "/" in word):
        directory = Path(os.path.normpath(cwd / Path(word).expanduser()))
        if not directory.is_dir():
            raise TrustError(word)
        return found.holding(directory)
    url = word if "://" in word else f"x://{word}"
    host = host_of(url)
    if not host or word.startswith("-"):
        raise TrustError(word)
    return found._naming(_scheme_of(url), (host, port_of(url) or None))
