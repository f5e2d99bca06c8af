"""Where an app comes from: a directory, a tarball, a tar stream or a git URL. Never written to."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from buildpack.support.values import changed, value
from slugc.fetching import ARCHIVE_SUFFIXES, fetch_git, is_git_url, parse_git_url, unpack
from slugc.privileges import run_identity
from slugc.slugignore import read_rules
from slugc.source_errors import (
    SourceChangedError,
    SourceEmptyError,
    SourceKindError,
    SourceMissingError,
    SourceTooWideError,
    SourceUnreadableError,
)
from slugc.staging import Staged, Stager


class SourceKind(StrEnum):
    """How the source is given."""

    DIRECTORY = "directory"
    TARBALL = "tarball"
    STDIN = "stdin"
    GIT = "git"


@value
class Source:
    """What to build. ``location`` is an absolute path or a URL; it names the build cache too."""

    kind: SourceKind
    location: str

    @property
    def path(self) -> Path:
        return Path(self.location)

    @property
    def app_name(self) -> str:
        """A name for the app, taken from where it is."""
        if self.kind is SourceKind.STDIN:
            return "app"
        last = re.split(r"[/:]", self.location.partition("#")[0].rstrip("/"))[-1]
        for suffix in (*ARCHIVE_SUFFIXES, ".git"):
            last = last.removesuffix(suffix)
        return re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-")[:63] or "app"


@value
class StagedSource:
    """A source in the build dir: what was copied, and the commit it is."""

    staged: Staged
    commit: str | None


def parse_source(text: str, *, cwd: Path, home: str | None) -> Source:
    """The source ``text`` names, as typed on the command line."""
    if text == "-":
        return Source(kind=SourceKind.STDIN, location="-")
    if is_git_url(text):
        url = parse_git_url(text)
        return Source(kind=SourceKind.GIT, location=f"{url.url}#{url.ref}" if url.ref else url.url)
    path = Path(os.path.normpath(cwd / text))
    try:
        return _local_source(path, text, home)
    except PermissionError as err:
        raise SourceUnreadableError((text,)) from err


def _local_source(path: Path, text: str, home: str | None) -> Source:
    if path.is_dir():
        _refuse_too_wide(path, home)
        return Source(kind=SourceKind.DIRECTORY, location=os.fspath(path))
    if path.is_file() and path.name.endswith(ARCHIVE_SUFFIXES):
        return Source(kind=SourceKind.TARBALL, location=os.fspath(path))
    if path.exists():
        raise SourceKindError(text, "a file, and no tarball by its name")
    raise SourceMissingError(text)


def _refuse_too_wide(path: Path, home: str | None) -> None:
    real = path.resolve()
    if real == Path("/"):
        raise SourceTooWideError(path, "the root directory")
    if home and real == Path(home).resolve():
        raise SourceTooWideError(path, "a home directory")


def stage_source(
    source: Source, build_dir: Path, *, scratch: Path, env: Mapping[str, str], ours: frozenset[Path]
) -> StagedSource:
    """Copy ``source`` into the empty ``build_dir``, less what .slugignore names.

    ``scratch`` is where a tarball or a repository is unpacked first; ``ours`` are directories of
    Slugkit that may lie in the source and are no part of it.
    """
    match source.kind:
        case SourceKind.DIRECTORY:
            return _stage_dir(source.path, build_dir, shown=source.location, ours=ours)
        case SourceKind.TARBALL:
            with source.path.open("rb") as stream:
                top = unpack(stream, scratch, shown=source.location)
            return _stage_dir(top, build_dir, shown=source.location, ours=ours)
        case SourceKind.STDIN:
            top = unpack(sys.stdin.buffer, scratch, shown="standard input")
            return _stage_dir(top, build_dir, shown="standard input", ours=ours)
        case SourceKind.GIT:
            url = parse_git_url(source.location)
            commit = fetch_git(url, scratch, env=env)
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
    if not staged.files:
        raise SourceEmptyError(shown, ignored=len(staged.ignored))
    return StagedSource(staged=staged, commit=read_commit(top))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _empty(directory: Path) -> None:
    from buildpack.support.files import remove_tree

    for entry in directory.iterdir():
        remove_tree(entry)


def read_commit(source: Path) -> str | None:
    """The commit checked out in ``source``, read from its own .git without starting git.

    git itself refuses a repository of another user, and takes the repository around ``source``
    for its own; neither is what a build means.
    """
    git_dir = _git_dir(source)
    head = _line_of(git_dir / "HEAD") if git_dir else None
    if git_dir is None or head is None:
        return None
    if not head.startswith("ref: "):
        return head if _is_commit(head) else None
    ref = head.removeprefix("ref: ")
    pointer = _line_of(git_dir / "commondir")  # a linked worktree keeps its refs elsewhere
    shared = git_dir / pointer if pointer else git_dir
    found = _line_of(shared / ref) or _packed_ref(shared, ref)
    return found if found and _is_commit(found) else None


def _git_dir(source: Path) -> Path | None:
    path = source / ".git"
    if path.is_dir():
        return path
    pointer = _line_of(path)
    if pointer and pointer.startswith("gitdir: "):
        return source / pointer.removeprefix("gitdir: ")
    return None


def _packed_ref(git_dir: Path, ref: str) -> str | None:
    try:
        lines = (git_dir / "packed-refs").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((line.split()[0] for line in lines if line.endswith(f" {ref}")), None)


def _line_of(path: Path) -> str | None:
    try:
        if not path.is_file():
            return None
        with path.open(errors="replace") as file:
            return file.readline(4096).strip()
    except OSError:
        return None  # a repository we may not read tells no commit; the build does without


def _is_commit(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text) is not None
