"""Which commit a repository of this machine means, read from its files without starting git.

git itself refuses a repository of another user, takes the repository around a directory for its
own, and obeys what a repository's settings say; none of that is what a build means.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.values import value

_MOST_HOPS = 5  # from symbolic ref to symbolic ref, as in git
_PLACES = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")  # gitrevisions(7)


@value
class LocalRepository:
    """Where the parts of a repository lie; a linked worktree has a HEAD of its own."""

    git_dir: Path
    shared: Path

    @property
    def objects(self) -> Path:
        return self.shared / "objects"

    def commit(self, ref: str) -> str | None:
        """The object that ``ref`` (a branch, a tag, HEAD) names, if it names one."""
        places = _PLACES if ref != "HEAD" else ("",)
        found = (self._object(place + ref) for place in places)
        return next((name for name in found if name), None)

    def _object(self, ref: str) -> str | None:
        for _ in range(_MOST_HOPS):
            own = self.git_dir / ref if "/" not in ref else self.shared / ref
            line = _line_of(own) or _packed_ref(self.shared, ref)
            if line is None or not line.startswith("ref: "):
                return line if line and _is_commit(line) else None
            ref = line.removeprefix("ref: ")
            if ".." in ref.split("/"):
                return None
        return None


def find_repository(path: Path) -> LocalRepository | None:
    """The repository whose root is ``path``: a working tree or a bare one."""
    git_dir = _git_dir(path) or (path if is_bare(path) else None)
    if git_dir is None:
        return None
    pointer = _line_of(git_dir / "commondir")  # a linked worktree keeps its refs elsewhere
    return LocalRepository(git_dir=git_dir, shared=git_dir / pointer if pointer else git_dir)


def is_bare(path: Path) -> bool:
    """Whether ``path`` is a repository without a working tree."""
    return (
        not (path / ".git").exists()
        and (path / "HEAD").is_file()
        and _is_dir(path / "objects")
        and _is_dir(path / "refs")
    )


def own_copies(path: Path, repository: LocalRepository, name: str, url: str) -> Iterator[Path]:
    """Where the repository at ``path`` itself holds its submodule ``name``, nearest first.

    Name and URL are a commit's words. Only what no commit can have brought is looked at: git's own
    modules directory, and a checkout with a .git in it.
    """
    modules = repository.shared / "modules"
    if _lies_in(modules / name, modules):
        yield modules / name
    inside = path / url
    if url.startswith("./") and (inside / ".git").exists() and _lies_in(inside, path):
        yield inside


def _lies_in(path: Path, root: Path) -> bool:
    """Whether a repository is at ``path`` with all of its objects, and both are in ``root``."""
    real = root.resolve()
    repository = find_repository(path) if path.resolve().is_relative_to(real) else None
    if repository is None:
        return False
    objects = repository.objects.resolve()
    borrowed = objects / "info" / "alternates"
    return objects.is_relative_to(real) and not borrowed.exists()


def read_commit(source: Path) -> str | None:
    """The commit checked out in ``source``, if it is the root of a checkout."""
    if not (source / ".git").exists():
        return None
    repository = find_repository(source)
    return repository.commit("HEAD") if repository else None


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


def _is_dir(path: Path) -> bool:
    """A directory and no link to one: what it holds is read as if it were the repository's."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _is_commit(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text) is not None
