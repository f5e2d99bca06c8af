"""The files of a source that a build would copy, in the order in which it does."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.values import value
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.staging import LEFT_OUT_AT_TOP, LEFT_OUT_NAMES, VENV_MARK, leaves_tree, unfit

MOST = 200_000
LONGEST_PATH = 4096


@value
class TreeEntry:
    """One entry. ``is_left_out``: by .slugignore; of a directory, with all that is in it."""

    path: str
    status: os.stat_result
    is_left_out: bool
    problem: str = ""
    """why no slug can hold it"""

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)


def walk(top: Path, rules: IgnoreRules) -> Iterator[TreeEntry]:
    """All that .slugignore decides about; history, caches and virtualenvs are no part of an app."""
    waiting, count = [""], 0
    while waiting and count <= MOST:
        below = waiting.pop()
        inner = []
        for name in _names(top / below):
            path = f"{below}{name}"
            if name in LEFT_OUT_NAMES or (not below and name.endswith(LEFT_OUT_AT_TOP)):
                continue
            try:
                entry = _entry(top, path, rules)
            except FileNotFoundError:
                continue  # it was there a moment ago; an editor's temporary file
            if entry.is_dir and (top / path / VENV_MARK).exists():
                continue
            count += 1
            yield entry
            if entry.is_dir and not entry.is_left_out:
                inner.append(f"{path}/")
        waiting.extend(reversed(inner))


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208  # names, which become paths below
    except (PermissionError, FileNotFoundError):
        return []  # a build says so; here is nothing to judge


def _entry(top: Path, path: str, rules: IgnoreRules) -> TreeEntry:
    status = (top / path).lstat()
    problem = unfit(path, status, LONGEST_PATH)
    if stat.S_ISLNK(status.st_mode) and leaves_tree(path, target := os.readlink(top / path)):  # noqa: PTH115  # as it stands
        problem = f"a link out of the source, to {target}"
    is_dir = stat.S_ISDIR(status.st_mode)
    left_out = rules.ignores(path, is_dir=is_dir)
    return TreeEntry(path=path, status=status, is_left_out=left_out, problem=problem)
