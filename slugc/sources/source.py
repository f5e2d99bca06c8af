"""Where an app comes from: a directory, a tarball, a tar stream or a commit. Never written to."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from buildpack.support.errors import printable_path
from buildpack.support.values import changed, value
from slugc.privileges import run_identity
from slugc.progress import unwatched
from slugc.sources.errors import (
    SourceChangedError,
    SourceEmptyError,
    SourceFromTerminalError,
    SourceKindError,
    SourceMissingError,
    SourceTooWideError,
    SourceUnreadableError,
)
from slugc.sources.fetching import FETCH_TIMEOUT, fetch_archive, fetch_git, unpack
from slugc.sources.git.refs import find_repository, is_bare, read_commit
from slugc.sources.git.urls import (
    ARCHIVE_SUFFIXES,
    is_archive_url,
    is_git_url,
    local_url,
    parse_git_url,
    shown_url,
)
from slugc.sources.reach import reached
from slugc.sources.slugignore import read_rules
from slugc.sources.staging import Staged, Stager
from slugc.sources.trusted import NOBODY, Trusted

# The refs of GitHub and Gitea, of GitLab, of Bitbucket, of Gerrit.
_PROPOSED = re.compile(r"(?:refs/)?(?:pull|merge-requests|pull-requests|changes)/")

COPY_TIMEOUT = 1500.0  # seconds for a directory, as for all of a build


class SourceKind(StrEnum):
    """How the source is given."""

    DIRECTORY = "directory"
    TARBALL = "tarball"
    DOWNLOAD = "download"
    STDIN = "stdin"
    GIT = "git"


@value
class Source:
    """What to build. ``location`` is an absolute path or a URL."""

    kind: SourceKind
    location: str

    @property
    def path(self) -> Path:
        return Path(self.location)

    @property
    def place(self) -> str:
        """Where its build cache belongs: that of a repository serves all its refs and logins, but
        for what anybody may propose. Builds of that could leave something for those of others."""
        if self.kind is not SourceKind.GIT:
            return self.location
        url, _, ref = self.location.partition("#")
        return shown_url(self.location if _PROPOSED.match(ref) else url)

    @property
    def app_name(self) -> str:
        """A name for the app, taken from where it is."""
        if self.kind is SourceKind.STDIN:
            return "app"
        path = re.split(r"[?#]", self.location)[0] if "://" in self.location else self.location
        last = unquote(re.split(r"[/:]", path.partition("#")[0].rstrip("/"))[-1])
        for suffix in (*ARCHIVE_SUFFIXES, ".git"):
            last = last.removesuffix(suffix)
        return re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-")[:63] or "app"


@value
class StagedSource:
    """A source in the build dir: what was copied, and the commit it is."""

    staged: Staged
    commit: str | None


def parse_source(
    text: str, *, cwd: Path, home: str | None, timeout: float = COPY_TIMEOUT
) -> Source:
    """The source ``text`` names, as typed on the command line."""
    if not text:  # as from "$SRC", where nobody set it
        raise SourceMissingError(text)
    if text == "-":
        if os.isatty(0):
            raise SourceFromTerminalError("git archive HEAD | slugc build -")
        return Source(kind=SourceKind.STDIN, location="-")
    if is_archive_url(text) and not text.startswith("file:"):
        return Source(kind=SourceKind.DOWNLOAD, location=text)
    if is_git_url(text):
        url = parse_git_url(text)
        return Source(kind=SourceKind.GIT, location=f"{url.url}#{url.ref}" if url.ref else url.url)
    path = Path(os.path.normpath(cwd / text))
    try:
        return reached(
            lambda: _commit_of(path, text, cwd) or _local_source(path, text, home),
            shown=text,
            timeout=timeout,
        )
    except PermissionError as err:
        raise SourceUnreadableError((text,)) from err


def _commit_of(path: Path, text: str, cwd: Path) -> Source | None:
    """``path/to/repository#ref``, or a repository without a working tree."""
    if path.is_dir():
        bare = is_bare(path)
        return Source(kind=SourceKind.GIT, location=local_url(path)) if bare else None
    before, hash_sign, ref = text.rpartition("#")
    repository = Path(os.path.normpath(cwd / before))
    if not hash_sign or path.exists() or find_repository(repository) is None:
        return None
    url = parse_git_url(local_url(repository, ref or "HEAD"))
    return Source(kind=SourceKind.GIT, location=f"{url.url}#{url.ref}")


def _local_source(path: Path, text: str, home: str | None) -> Source:
    if path.is_dir():
        _refuse_too_wide(path, home)
        return Source(kind=SourceKind.DIRECTORY, location=os.fspath(path))
    if path.is_file() and path.name.endswith(ARCHIVE_SUFFIXES):
        return Source(kind=SourceKind.TARBALL, location=os.fspath(path))
    if path.exists():
        raise SourceKindError(text, "a file, and no tarball by its name")
    directory = os.fspath(path).rpartition("#")[0]
    if directory and Path(directory).is_dir():
        raise SourceMissingError(text, f"{printable_path(directory)} is no git repository.")
    raise SourceMissingError(text)


def _refuse_too_wide(path: Path, home: str | None) -> None:
    real = path.resolve()
    if real == Path("/"):
        raise SourceTooWideError(path, "the root directory")
    if home and real == Path(home).resolve():
        raise SourceTooWideError(path, "a home directory")


def stage_source(  # noqa: PLR0913  # all but the first two are named
    source: Source,
    build_dir: Path,
    *,
    scratch: Path,
    env: Mapping[str, str],
    ours: frozenset[Path],
    timeout: float = FETCH_TIMEOUT,
    copy_timeout: float = COPY_TIMEOUT,
    watch: Callable[[int], None] = unwatched,
    trusted: Trusted = NOBODY,
) -> StagedSource:
    """Copy ``source`` into the empty ``build_dir``, less what .slugignore names.

    ``scratch`` is where a tarball or a repository is unpacked first; ``ours`` are directories of
    Slugkit that may lie in the source and are no part of it; ``timeout`` is for what is fetched,
    and ``watch`` is told how many bytes of it have come; ``copy_timeout`` is for a directory.
    ``trusted`` is where submodules may come from with the user's rights, beside the source's own
    server.
    """
    match source.kind:
        case SourceKind.DIRECTORY:
            copy = partial(_stage_dir, source.path, build_dir, shown=source.location, ours=ours)
            return reached(copy, shown=source.location, timeout=copy_timeout)
        case SourceKind.TARBALL:
            with source.path.open("rb") as stream:
                top = unpack(stream, scratch, shown=source.location)
            return _stage_dir(top, build_dir, shown=source.location, ours=ours)
        case SourceKind.STDIN:
            top = unpack(sys.stdin.buffer, scratch, shown="standard input")
            return _stage_dir(top, build_dir, shown="standard input", ours=ours)
        case SourceKind.DOWNLOAD:
            top = fetch_archive(source.location, scratch, timeout=timeout, watch=watch)
            return _stage_dir(top, build_dir, shown=shown_url(source.location), ours=ours)
        case SourceKind.GIT:
            url = parse_git_url(source.location)
            allowed = trusted.naming(url.url)
            commit = fetch_git(url, scratch, env=env, timeout=timeout, trusted=allowed)
            staged = _stage_dir(scratch, build_dir, shown=url.shown, ours=ours)
            return changed(staged, commit=commit)


def _stage_dir(top: Path, build_dir: Path, *, shown: str, ours: frozenset[Path]) -> StagedSource:
    rules = read_rules(top)
    excluded = frozenset(_identity(path) for path in ours if path.exists())

    def copy() -> Staged:
        stager = Stager(rules=rules, owner=run_identity(), excluded=excluded)
        return stager.copy(top, build_dir)

    try:
        staged = copy()
    except SourceChangedError:
        _empty(build_dir)
        staged = copy()  # once more: an editor that saves a file is no reason to give up
    if staged.files == staged.spares_procfile:  # that one, which was not even meant to be there
        raise SourceEmptyError(shown, ignored=len(staged.ignored))
    return StagedSource(staged=staged, commit=read_commit(top))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _empty(directory: Path) -> None:
    from buildpack.support.deletion import remove_tree

    for entry in directory.iterdir():
        remove_tree(entry)
