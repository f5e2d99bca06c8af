"""What a commit says about its submodules: where they lie, which commit, and where that is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.support.errors import printable
from buildpack.support.values import value
from slugc.sources.git.program import FetchError, Git

GITMODULES = ".gitmodules"
MAX_BYTES = 256 * 1024
_GITLINK = "160000"


@value
class Submodule:
    """One submodule of a commit. ``path`` is a directory of its tree, empty so far."""

    name: str
    path: str
    url: str
    commit: str


def find_submodules(git: Git, commit: str, tree: Path) -> tuple[Submodule, ...]:
    """Every submodule of ``commit``, whose files lie in ``tree``.

    A commit holds no empty directories, so those that `git archive` wrote are submodules.
    """
    links = _gitlinks(git, commit, tuple(_empty_directories(tree)))
    if not links:
        return ()
    settings = read_settings(git, _gitmodules(tree, git))
    found, unknown = [], set(links)
    for key, path in settings.items():
        if not key.endswith(".path") or path not in links:
            continue
        name = key.removeprefix("submodule.").removesuffix(".path")
        url = settings.get(f"submodule.{name}.url", "")
        if settings.get(f"submodule.{name}.update") != "none" and url:
            found.append(Submodule(name=name, path=path, url=url, commit=links[path]))
        unknown.discard(path)
    if unknown:
        names = ", ".join(printable(name) for name in sorted(unknown))
        raise FetchError(
            git.source.shown, f"Its {GITMODULES} says nothing of the submodule {names}."
        )
    return tuple(found)


def read_settings(git: Git, file: Path) -> Mapping[str, str]:
    """The settings in a file of git's form, which are read and not obeyed."""
    said = git.run("config", "--file", os.fspath(file), "--no-includes", "--null", "--list")
    pairs = (entry.partition("\n") for entry in said.split("\0") if entry)
    return {key: text for key, _, text in pairs}


def _empty_directories(tree: Path) -> Iterator[str]:
    for where, below, files in os.walk(tree):
        if not below and not files and where != os.fspath(tree):
            yield os.path.relpath(where, tree)


def _gitlinks(git: Git, commit: str, paths: tuple[str, ...]) -> Mapping[str, str]:
    """Which of the directories are submodules, and their commits."""
    found = {}
    for start in range(0, len(paths), 500):
        said = git.run("ls-tree", "-z", "--full-tree", commit, "--", *paths[start : start + 500])
        for line in filter(None, said.split("\0")):
            facts, _, path = line.partition("\t")
            mode, _, name = facts.split()
            if mode == _GITLINK and path not in paths:  # its name is no UTF-8
                raise FetchError(git.source.shown, f"A submodule's name is '{printable(path)}'.")
            if mode == _GITLINK:
                found[path] = name
    return found


def _gitmodules(tree: Path, git: Git) -> Path:
    path = tree / GITMODULES
    try:
        facts = path.lstat()
    except FileNotFoundError as err:
        found = f"It has submodules, and no {GITMODULES} that says where they are."
        raise FetchError(git.source.shown, found) from err
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
        found = f"Its {GITMODULES} is no regular file, or larger than {MAX_BYTES // 1024} KiB."
        raise FetchError(git.source.shown, found)
    return path
