"""What provenance needs and a slug's content does not tell: it goes into the slug's index.

Only what is the same for every build of the same source by the same Slugkit: no time, no machine,
no path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildpack.version import __version__
from slugc.slug import TREE, TREE_OF_COMMIT
from slugc.sources.source import Source, SourceKind

BUILDER, SOURCE = "slugkit", "source"

_USER = re.compile(r"(?<=://)[^/?#]*@")
_SCP_LIKE = re.compile(r"(?:[^@/:]+@)?(?P<host>[^@/:]+):(?P<path>[^/].*)")
_REMOTE = re.compile(r"(?:https?|ssh|git)://[^/]")


def materials_of(source: Source) -> Mapping[str, str]:
    """The ``materials`` of a slug built from ``source``."""
    told = {BUILDER: __version__}
    if source.kind is SourceKind.GIT:
        told[TREE] = TREE_OF_COMMIT
    if shown := source_uri(source):
        told[SOURCE] = shown
    return told


def source_uri(source: Source) -> str | None:
    """Where the source came from, without a password; None for what lies on this machine."""
    if source.kind is not SourceKind.GIT and "://" not in source.location:
        return None
    url, mark, ref = source.location.partition("#")
    if "://" not in url and (scp := _SCP_LIKE.fullmatch(url)):
        url = f"ssh://{scp['host']}/{scp['path']}"
    url = _USER.sub("", url.removeprefix("git+")).partition("?")[0]
    if not _REMOTE.match(url):
        return None
    git = "git+" if source.kind is SourceKind.GIT else ""
    return f"{git}{url}{mark}{ref}"
