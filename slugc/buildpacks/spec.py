"""A buildpack as it is asked for: what the words on a command line or in a file mean.

Words of the person who builds may name any place of this machine. Words that come with the source
(``.buildpacks``, app.json) may name servers and places in the source alone: whoever wrote them
need not be the one whose files a build would read.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path

from buildpack.support.values import changed, value
from slugc.buildpacks.errors import BuildpackRefusedError, BuildpackSpecError
from slugc.sources.fetching import ARCHIVE_SUFFIXES, is_git_url, parse_git_url, shown_url
from slugc.sources.git.here import leads_here
from slugc.sources.git.urls import local_url
from slugc.sources.trusted import NOBODY, Trusted

OWN_NAME = "slugkit/python"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}(/[A-Za-z0-9][A-Za-z0-9._-]{0,62})?")
"""what an installed buildpack may be called; ``org/name`` is looked up elsewhere too"""

WEB = ("https", "http")


class BuildpackKind(StrEnum):
    """How a buildpack is given."""

    OWN = "own"
    INSTALLED = "installed"
    DIRECTORY = "directory"
    GIT = "git"
    TARBALL = "tarball"


@value
class BuildpackSpec:
    """A buildpack as asked for; ``location`` is an absolute path, a URL or, installed, a digest."""

    kind: BuildpackKind
    location: str
    name: str = ""
    """what it was installed as"""
    origin: str = ""
    """where it was installed from"""
    version: str = ""
    """which commit that was"""
    is_named: bool = True
    """whether the person who builds named the place, rather than the app"""

    @property
    def source(self) -> str:
        """As it is recorded in the slug: no password, and no path of this machine."""
        match self.kind:
            case BuildpackKind.OWN:
                return OWN_NAME
            case BuildpackKind.INSTALLED:
                return self.origin
            case BuildpackKind.GIT:
                url = parse_git_url(self.location)
                here = f"{url.local.name}#{url.ref}".rstrip("#") if url.local else ""
                return here or url.shown
            case _:
                return _shown_place(self.location)

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.name or self.source


OWN = BuildpackSpec(kind=BuildpackKind.OWN, location="")


class Known:
    """Where a bare name leads: nowhere, unless somebody says more."""

    def find(self, name: str) -> BuildpackSpec | None:
        """The installed buildpack of that name."""
        return None

    def address(self, name: str) -> str:
        """Where ``org/name`` is published; empty when nobody knows."""
        return ""


NOTHING_KNOWN = Known()


def parse_spec(text: str, *, cwd: Path, known: Known = NOTHING_KNOWN) -> BuildpackSpec:
    """The buildpack ``-b TEXT`` names."""
    if text == OWN_NAME:
        return OWN
    if not text:
        raise BuildpackRefusedError(text, "It is empty.")
    if text.startswith("-"):
        raise BuildpackRefusedError(text, "It begins with '-', as options do.")
    if (remote := _remote_spec(text)) is not None:
        return remote
    if NAME.fullmatch(text) and (installed := known.find(text)) is not None:
        return installed
    local = _local_spec(text, cwd)
    if local is not None:
        return local
    address = known.address(text) if "/" in text and NAME.fullmatch(text) else ""
    if not address:
        raise BuildpackSpecError(text)
    return parse_spec(address, cwd=Path("/"))


def parse_spec_in_source(
    text: str, *, top: Path, known: Known, trusted: Trusted = NOBODY
) -> BuildpackSpec:
    """The buildpack that a file of the source in ``top`` names."""
    url = text.partition("#")[0].removeprefix("git+")
    if re.match(r"(git\+)?file:", text) or (leads_here(url) and not trusted.names_port(url)):
        raise BuildpackRefusedError(text, "A source names no place of the machine that builds.")
    if (remote := _remote_spec(text)) is not None:
        return changed(remote, is_named=False)
    if text == OWN_NAME:
        return OWN
    if not NAME.fullmatch(text) and not _is_below(text):
        raise BuildpackRefusedError(text, "A path in a source leads to a place in that source.")
    return parse_spec(text, cwd=top, known=known)


def own_root() -> Path:
    """Our own buildpack: carried by an installed slugc, or the checkout it runs from."""
    here = Path(__file__).resolve().parents[1]
    carried = here / "_buildpack"
    return carried if carried.is_dir() else here.parent


def _remote_spec(text: str) -> BuildpackSpec | None:
    if is_git_url(text):
        url = parse_git_url(text)  # refused now, not after a minute of building
        if url.local is not None and not _holds_repository(url.local):
            raise BuildpackRefusedError(text, "There is no git repository at that place.")
        return BuildpackSpec(kind=BuildpackKind.GIT, location=text)
    if text.partition("://")[0] in WEB and "://" in text:
        return BuildpackSpec(kind=BuildpackKind.TARBALL, location=text)
    return None


def _local_spec(text: str, cwd: Path) -> BuildpackSpec | None:
    path = Path(os.path.normpath(cwd / text))
    repository, mark, ref = text.partition("#")
    if mark and not path.exists() and (cwd / repository).is_dir():
        location = local_url(Path(os.path.normpath(cwd / repository)), ref)
        parse_git_url(location)
        return BuildpackSpec(kind=BuildpackKind.GIT, location=location)
    if path.is_dir():
        same = path.resolve() == own_root().resolve()
        return OWN if same else BuildpackSpec(kind=BuildpackKind.DIRECTORY, location=str(path))
    if path.is_file() and path.name.endswith(ARCHIVE_SUFFIXES):
        return BuildpackSpec(kind=BuildpackKind.TARBALL, location=str(path))
    return None


def _holds_repository(path: Path) -> bool:
    """Whether a repository lies there, bare or with its files checked out."""
    return (path / ".git").exists() or (path / "HEAD").is_file()


def _is_below(text: str) -> bool:
    return not text.startswith(("/", "~")) and ".." not in Path(text).parts


def _shown_place(location: str) -> str:
    """A path's last name; a URL without its password, and without a query, often one as well."""
    if "://" not in location:
        return Path(location).name
    return shown_url(location)
