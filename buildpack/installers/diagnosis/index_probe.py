"""Asks an index again after uv has found no package: was it the package, or the index?

Told to take the best version of all indexes, uv treats one that refuses access, and a hotel's
log-in page in place of one, as an index without that package. Only our own look tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from buildpack.installers.diagnosis.errors import NoMatchingDistributionError, NoSuchVersionError
from buildpack.installers.diagnosis.network_errors import IndexAccessError, IndexUnreachableError
from buildpack.support.errors import SlugkitError
from buildpack.support.names import normalized
from buildpack.tools import index_url

LOOKED_LIKE_AN_INDEX = re.compile(rb"^\s*\{|<a[\s>]|Links for|pypi:repository-version", re.I)
STATUS = re.compile(r"HTTP status (?P<status>\d{3})")


def indexes_of(env: Mapping[str, str], own: Sequence[str] = ()) -> tuple[str, ...]:
    """Every index that is asked, by uv's settings ``env`` and by option lines of the app."""
    if env.get("UV_NO_INDEX"):
        return ()
    extra = " ".join(env.get(name, "") for name in ("UV_EXTRA_INDEX_URL", "UV_INDEX")).split()
    named = (word.partition("=")[2] if re.match(r"[\w-]+=", word) else word for word in extra)
    return tuple(url for url in (index_url(env), *named, *own) if url.startswith("http"))


def probed(error: SlugkitError, indexes: Sequence[str]) -> SlugkitError:
    """``error``, or a better one where an index is to blame for a package not found.

    Where there are other versions than the one that was asked for, the error names the newest.
    """
    if not isinstance(error, NoMatchingDistributionError):
        return error
    pages = []
    for index in indexes:
        page = _look(error.package, index)
        if isinstance(page, SlugkitError):
            return page
        pages.append(page)
    if isinstance(error, NoSuchVersionError):
        from buildpack.package_index import released_versions

        error.name_versions([x for page in pages for x in released_versions(page)])
    return error


def _look(package: str, index: str) -> SlugkitError | bytes:
    """The index's page of the package, empty where it has none; or what is wrong with the index."""
    # Imported here: a build that succeeds needs none of it.
    from buildpack.package_index import ACCEPT
    from buildpack.support.download import fetch
    from buildpack.support.urls import DownloadError

    name = normalized(package)
    try:
        page, _ = fetch(f"{index.rstrip('/')}/{name}/", accept=ACCEPT)
    except DownloadError as err:
        status = STATUS.search(err.reason)
        if status is None:
            return IndexUnreachableError(index, err.reason.rstrip(".").lower())
        is_refused = status["status"] in {"401", "403"}
        return IndexAccessError(index, status["status"]) if is_refused else b""
    if not LOOKED_LIKE_AN_INDEX.search(page):
        return IndexUnreachableError(index, "what answered is not a package index")
    return page
