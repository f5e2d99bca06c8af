"""Brings a git URL#ref or a tarball to a directory of ours, for sources and buildpacks alike."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from buildpack.support.errors import printable_path
from slugc.progress import unwatched
from slugc.sources.git.urls import (
    ARCHIVE_SUFFIXES,
    GitUrl,
    GitUrlError,
    is_archive_url,
    is_git_url,
    parse_git_url,
    shown_url,
)
from slugc.sources.trusted import NOBODY, Trusted

if TYPE_CHECKING:
    from slugc.archive.limits import Limits

__all__ = (
    "ARCHIVE_SUFFIXES",
    "FETCH_TIMEOUT",
    "GitUrl",
    "GitUrlError",
    "fetch_archive",
    "fetch_git",
    "is_archive_url",
    "is_git_url",
    "parse_git_url",
    "shown_url",
    "unpack",
)

FETCH_TIMEOUT = 90.0  # seconds for one source, as BUILDPACK_FETCH_TIMEOUT of older compilers


def fetch_git(
    source: GitUrl,
    target: Path,
    *,
    env: Mapping[str, str],
    timeout: float = FETCH_TIMEOUT,
    trusted: Trusted | None = None,
) -> str:
    """Put the commit's files, and its submodules', into ``target``; returns the commit's full id.

    ``env`` is that of the person who builds: their keys and proxies give access to what is
    ``trusted``, which is ``source`` if nobody says otherwise.
    """
    from slugc.sources.git.fetch import fetch_git as fetch  # most builds start from a directory

    return fetch(source, target, env=env, timeout=timeout, trusted=trusted)


def fetch_archive(
    url: str,
    target: Path,
    *,
    timeout: float = FETCH_TIMEOUT,
    watch: Callable[[int], None] = unwatched,
    trusted: Trusted | None = None,
) -> Path:
    """Unpack the tarball at ``url`` into ``target``; returns its top, as ``unpack`` does.

    ``watch`` is told how many bytes have come. To this machine it leads only where that is
    ``trusted``, which the URL is if nobody says otherwise; the same holds for redirects.
    """
    from slugc.sources.download import downloaded

    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.tar")
    peers = (NOBODY.naming(url) if trusted is None else trusted).peers
    with downloaded(url, beside, timeout=timeout, watch=watch, peers=peers) as file:
        return unpack(file, target, shown=shown_url(url))


def unpack(
    stream: BinaryIO | io.BufferedIOBase, target: Path, *, shown: str, limits: Limits | None = None
) -> Path:
    """Unpack a tarball into ``target``; returns its top, which may be one directory in it.

    ``shown`` is what an error calls the tarball.
    """
    from slugc.archive.errors import ArchiveError
    from slugc.archive.limits import STRANGERS_LIMITS
    from slugc.archive.unprivileged import extract_unprivileged

    target.mkdir(parents=True, exist_ok=True)
    try:
        extract_unprivileged(stream, target, limits or STRANGERS_LIMITS)
    except ArchiveError as err:
        err.details = f"{printable_path(shown_url(shown))}\n\n{err.details}"
        raise
    entries = list(target.iterdir())
    alone = len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink()
    # A buildpack may be nothing but its programs: then bin/ is no wrapping to take off.
    return entries[0] if alone and entries[0].name != "bin" else target
