"""Takes out of a built tree what .slugignore.after names, after the buildpacks and before packing.

The tree was written by build code, so a link may stand anywhere: every step goes through directory
descriptors and follows none.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

from slugc.archive.limits import DEFAULT_LIMITS
from slugc.sources.left_out import LeftOutNotes
from slugc.sources.slugignore import AFTER, IgnoreRules, read_rules

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def prune_built_tree(
    build_dir: Path, *, trash: Path, notes: LeftOutNotes | None = None
) -> tuple[str, ...]:
    """Move what the rules leave out to ``trash``; returns the paths, a directory as one.

    ``notes`` are told each of them and the line that names it.
    """
    rules = read_rules(build_dir, AFTER)
    if not rules.groups:
        return ()
    trash.mkdir(parents=True)
    tree_fd, trash_fd = os.open(build_dir, _DIR), os.open(trash, _DIR)
    try:
        pruned: list[str] = []
        _prune_dir(rules, tree_fd, trash_fd, "", pruned, notes or LeftOutNotes())
    finally:
        os.close(tree_fd)
        os.close(trash_fd)
    return tuple(pruned)


def _prune_dir(
    rules: IgnoreRules,
    directory_fd: int,
    trash_fd: int,
    below: str,
    pruned: list[str],
    notes: LeftOutNotes,
) -> None:
    for name in sorted(os.listdir(directory_fd)):
        path = f"{below}{name}"
        is_dir = stat.S_ISDIR(os.lstat(name, dir_fd=directory_fd).st_mode)
        if rules.ignores(path, is_dir=is_dir):
            os.rename(name, str(len(pruned)), src_dir_fd=directory_fd, dst_dir_fd=trash_fd)
            pruned.append(path)
            notes.add(path, partial(rules.reason, path, is_dir=is_dir))
        elif is_dir and path.count("/") < DEFAULT_LIMITS.depth:  # deeper, packing refuses it
            inner = os.open(name, _DIR, dir_fd=directory_fd)
            try:
                _prune_dir(rules, inner, trash_fd, f"{path}/", pruned, notes)
            finally:
                os.close(inner)
