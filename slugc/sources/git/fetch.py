"""Brings the files of one commit, submodules included, to a directory of ours."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.command import end, start
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.values import changed
from slugc.archive.errors import ArchiveDamagedError, ArchiveError
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.archive.members import HOLDS_NOTHING
from slugc.archive.unprivileged import extract_unprivileged
from slugc.sources.git.program import FetchError, Git, Patience
from slugc.sources.git.refs import LocalRepository, find_repository, own_copies
from slugc.sources.git.submodules import Submodule, find_submodules, read_settings
from slugc.sources.git.urls import (
    GitUrl,
    GitUrlError,
    local_url,
    parse_git_url,
    shown_url,
    submodule_url,
)
from slugc.sources.trusted import NOBODY, NotTrustedError, Trusted

if TYPE_CHECKING:
    from buildpack.support.command import Process

FETCH_TIMEOUT = 90.0  # seconds for one source, as BUILDPACK_FETCH_TIMEOUT of older compilers
MAX_SUBMODULES = 200
MAX_DEPTH = 10  # submodules of submodules

_STOPPED_BY_US = (141, -13)  # SIGPIPE, as timeout(1) and as the kernel tell it
_ABBREVIATED = re.compile(r"[0-9a-f]{4,64}")


class RefMissingError(SlugkitError):
    """The repository is there, and has no such branch, tag or commit."""

    exit_code = ExitCode.NO_INPUT
    id = "ref-missing"

    def __init__(self, source: GitUrl, found: str) -> None:
        self.source, self.found = source.shown, found
        ref, place = printable(source.ref or "HEAD"), printable_path(shown_url(source.url))
        super().__init__(
            f"There is no '{ref}' in {place}",
            details=found,
            resolution="After '#' comes a branch, a tag or a commit that was pushed; of a commit\n"
            "the first digits are enough.",
        )


def fetch_git(
    source: GitUrl,
    target: Path,
    *,
    env: Mapping[str, str],
    timeout: float = FETCH_TIMEOUT,
    limits: Limits = DEFAULT_LIMITS,
    trusted: Trusted | None = None,
) -> str:
    """Put the commit's files into the directory ``target``; returns the commit's full id.

    ``env`` is that of the person who builds: their keys and proxies give access to what is
    ``trusted``, which is ``source`` if nobody says otherwise.
    """
    target.mkdir(parents=True, exist_ok=True)
    trusted = NOBODY.naming(source.url) if trusted is None else trusted
    return _Fetch(target, env, Patience.of(timeout), limits, trusted).bring(source, "", depth=0)


class _Fetch:
    """One source: its limits hold for the repository and all of its submodules together."""

    def __init__(
        self,
        target: Path,
        env: Mapping[str, str],
        patience: Patience,
        limits: Limits,
        trusted: Trusted,
    ) -> None:
        self._top, self._env, self._patience, self._limits = target, env, patience, limits
        self._trusted = trusted
        self._repository = target.with_name(f"{target.name}.git")
        self._submodules = 0

    def bring(self, source: GitUrl, below: str, *, depth: int) -> str:
        """Its files, and those of its submodules, into the empty directory ``below`` the top."""
        with self._new_repository(source) as git:
            commit = _bring_local(git) if source.local else _bring_remote(git)
            self._export(git, commit, below)
            submodules = find_submodules(git, commit, self._top / below)
            if submodules and not depth:
                self._trust_own(git)
            places = [tuple(_places_of(git, submodule, self._trusted)) for submodule in submodules]
        for submodule, urls in zip(submodules, places, strict=True):
            self._check_count(source, depth=depth + 1)
            self._bring_submodule(urls, str(Path(below, submodule.path)), depth=depth + 1)
        return commit

    @contextlib.contextmanager
    def _new_repository(self, source: GitUrl) -> Iterator[Git]:
        self._repository.mkdir()
        try:
            git = Git(
                self._repository,
                source,
                env=self._env,
                patience=self._patience,
                largest=self._limits.unpacked,
                trusted=self._trusted,
            )
            git.run("init", "-q", "--bare", "--template=", ".")
            yield git
        finally:
            remove_tree(self._repository)

    def _trust_own(self, git: Git) -> None:
        """What the user names by naming a repository of this machine: the server it was cloned
        from, too, which stands in a file of theirs that no commit can change."""
        if git.source.local is not None:
            origin = _origin_of(git, _repository_of(git.source).shared)
            if origin is not None:
                self._trusted = self._trusted.naming(origin.url)

    def _check_count(self, parent: GitUrl, *, depth: int) -> None:
        self._submodules += 1
        if self._submodules > MAX_SUBMODULES or depth > MAX_DEPTH:
            found = f"More than {MAX_SUBMODULES} submodules, or {MAX_DEPTH} of them in a row."
            raise FetchError(parent.shown, found)

    def _bring_submodule(
        self, places: tuple[GitUrl | SlugkitError, ...], below: str, *, depth: int
    ) -> None:
        *nearer, last = places
        for place in nearer:
            assert isinstance(place, GitUrl)
            with contextlib.suppress(RefMissingError):  # then from where it is published
                self.bring(place, below, depth=depth)
                return
        if isinstance(last, SlugkitError):
            raise last
        self.bring(last, below, depth=depth)

    def _export(self, git: Git, commit: str, below: str) -> None:
        """The commit's files, through the reader that slugs and tarballs go through."""
        process = start(git.archive(commit))
        assert process.stdout is not None
        try:
            found = extract_unprivileged(process.stdout, self._top, self._limits, below=below)
        except ArchiveError as err:
            if isinstance(err, ArchiveDamagedError) and err.reason == HOLDS_NOTHING:
                return
            raise _explained(err, git.source, process) from err
        finally:
            end(process)
        left = self._limits
        self._limits = changed(
            left, entries=left.entries - found.entries, unpacked=left.unpacked - found.size
        )


def _bring_remote(git: Git) -> str:
    """Fetch as little as the server lets us; the commit that is meant."""
    ref = git.source.ref or "HEAD"
    try:
        git.fetch(ref, options=("--depth", "1"))
        return _commit(git, "FETCH_HEAD")
    except FetchError as err:
        if not _is_missing(err):
            raise
        if not _ABBREVIATED.fullmatch(ref):
            raise RefMissingError(git.source, err.found) from err
    # The first digits of a commit, or one that this server hands out with its history alone.
    git.fetch("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    return _commit(git, ref)


def _bring_local(git: Git) -> str:
    """Read the objects where they lie; git never opens the repository itself."""
    repository = _repository_of(git.source)
    alternates = git.directory / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{repository.objects.resolve()}\n")
    ref = git.source.ref or "HEAD"
    named = repository.commit(ref)
    if named is None and not _ABBREVIATED.fullmatch(ref):
        raise RefMissingError(
            git.source, f"{printable_path(git.source.local)} has no ref of that name."
        )
    return _commit(git, named or ref)


def _repository_of(source: GitUrl) -> LocalRepository:
    assert source.local is not None
    repository = find_repository(source.local)
    if repository is None or not repository.objects.is_dir() or "\n" in str(repository.objects):
        raise FetchError(source.shown, "There is no git repository there.")
    return repository


def _commit(git: Git, name: str) -> str:
    try:
        return git.run("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").strip()
    except FetchError as err:
        raise RefMissingError(git.source, err.found) from err


def _is_missing(err: FetchError) -> bool:
    """The server was there, and had nothing of that name, or does not hand it out by itself."""
    signs = ("couldn't find remote ref", "not our ref", "unadvertised object")
    return any(sign in err.found for sign in signs)


def _places_of(git: Git, submodule: Submodule, trusted: Trusted) -> Iterator[GitUrl | SlugkitError]:
    """Where a submodule may be, nearest first: a checkout of its repository has its objects.

    The last may be the reason why nobody may look where its repository says.
    """
    parent = git.source
    if parent.local is not None:
        repository = _repository_of(parent)
        for kept in own_copies(parent.local, repository, submodule.name, submodule.url):
            yield GitUrl(url=local_url(kept), ref=submodule.commit)
        parent = _origin_of(git, repository.shared) or parent
    try:
        yield submodule_url(parent, submodule.url, submodule.commit, trusted)
    except (GitUrlError, NotTrustedError) as err:
        yield err


def _origin_of(git: Git, shared: Path) -> GitUrl | None:
    """Where a repository of this machine came from: what its submodules are relative to."""
    if not (shared / "config").is_file():
        return None
    url = read_settings(git, shared / "config").get("remote.origin.url", "")
    return GitUrl(url=local_url(Path(url)), ref="") if url.startswith("/") else _parsed(url)


def _parsed(url: str) -> GitUrl | None:
    return parse_git_url(url) if url and not url.startswith(".") else None


def _explained(err: ArchiveError, source: GitUrl, process: Process) -> SlugkitError:
    """What git says where it stopped by itself; else what our reader says, and of what."""
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # so git ends, if it has not
    said = process.stderr.read(4096).decode("utf-8", "replace").strip()
    if process.wait() not in {0, *_STOPPED_BY_US} and said:
        return FetchError(source.shown, shown_url(said))
    err.details = f"{printable_path(source.shown)}\n\n{err.details}"
    err.resolution = "Nothing was built. Take that out of the repository, and commit."
    return err
