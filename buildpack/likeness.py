"""Makes a tree of the cache out of another one that is nearly the same, instead of linking it anew.

Two virtualenvs of one app mostly share their files: they are hard links to each other. Comparing
inode numbers, which listing a directory tells, takes a third of the time that links take, and then
a few files are all there is to do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.support import files
from buildpack.support.linking import Listing

Inodes = Mapping[bytes, Mapping[bytes, int]]
"""The files and links of each directory, parents first; b"" is the top."""


def made_alike(source: Path, target: Path, akin: Path) -> Listing | None:
    """Move the tree ``akin`` to the new place ``target`` and make it what linking ``source`` gives.

    The listing of ``source``; None, and nothing at ``target``, where that cannot be done. Whoever
    calls it needs ``akin`` no more.
    """
    try:
        wanted, found = read_inodes(source), read_inodes(akin)
        if source.stat().st_dev != akin.stat().st_dev:
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        akin.rename(target)
    except OSError:
        return None
    try:
        _remove(os.fsencode(target), wanted, found)
        _add(os.fsencode(source), os.fsencode(target), wanted, found)
    except OSError:
        files.remove_tree(target)
        return None
    return tuple((directory, tuple(names)) for directory, names in wanted.items())


def read_inodes(top: Path) -> Inodes:
    """Every file and link below ``top``, in the order of a listing."""
    root = os.fsencode(top)
    found: dict[bytes, dict[bytes, int]] = {}
    waiting = [b""]
    while waiting:
        directory = waiting.pop()
        below: list[bytes] = []
        names: dict[bytes, int] = {}
        with os.scandir(root + b"/" + directory) as entries:
            for entry in sorted(entries, key=_name):
                if entry.is_dir(follow_symlinks=False):
                    below.append(directory + b"/" + entry.name if directory else entry.name)
                else:
                    names[entry.name] = entry.inode()
        found[directory] = names
        waiting += reversed(below)
    return found


def _name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name


def _remove(target: bytes, wanted: Inodes, found: Inodes) -> None:
    """Take out every name that stands for something else, or for nothing, in what is wanted."""
    for directory, names in found.items():
        kept = wanted.get(directory, {})
        if names != kept:
            for name, inode in names.items():
                if kept.get(name) != inode:
                    os.unlink(_joined(target, directory, name))  # noqa: PTH108 - bytes
    for directory in reversed(list(found)):  # what a directory holds comes after it
        if directory not in wanted:
            os.rmdir(_joined(target, directory))  # noqa: PTH106 - bytes


def _add(source: bytes, target: bytes, wanted: Inodes, found: Inodes) -> None:
    for directory, names in wanted.items():
        if directory not in found:
            os.mkdir(_joined(target, directory), 0o755)  # noqa: PTH102 - bytes
        there = found.get(directory, {})
        if names != there:
            for name, inode in names.items():
                if there.get(name) != inode:
                    old, new = _joined(source, directory, name), _joined(target, directory, name)
                    os.link(old, new, follow_symlinks=False)


def _joined(top: bytes, *parts: bytes) -> bytes:
    return b"/".join((top, *filter(None, parts)))
