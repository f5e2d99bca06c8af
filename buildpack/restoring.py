"""Puts a tree of the cache into the build directory: taken over from the build before, or linked.

A slug compiler may name, in PREVIOUS_BUILD_DIR, the tree that its last build of this app left, for
buildpacks to move out what they can use again (slugc does: docs/slugc.md). Moving a tree of 9,000
files takes a millisecond, linking them a tenth of a second, and deleting the old links as much
again. It is moved only if a seal proves that each of its directories is as we made it. Its files
are the cache's own, so it then is what linking would give.

Where it names a FINISHED_LAYERS_DIR it is told which of its layers is as it will stay, and may pack
that one while the build goes on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from buildpack.ahead import TreesAhead
from buildpack.support import files
from buildpack.support.deletion import remove_tree
from buildpack.support.linking import (
    Linking,
    LinkingAside,
    Listing,
    encode_listing,
    is_alone,
    link_listed,
    list_tree,
    read_listing,
)
from buildpack.support.seals import decode_seal, is_unbroken, seal_entries

WORTH_A_PROCESS = 500
"""directories"""
FINISHED = "FINISHED_LAYERS_DIR"


def tell_finished(env: Mapping[str, str], layer: str) -> None:
    """Say that nothing in the slug compiler's ``layer`` will change any more, where it asks."""
    named = env.get(FINISHED, "")
    if named.startswith("/"):
        with contextlib.suppress(OSError):  # told nothing it packs the layer at the end
            Path(named, layer).touch()


def restore_tree(source: Path, target: Path, *, previous: Path | None, ahead: TreesAhead) -> bool:
    """Give ``target`` the files of the cached tree ``source``; whether it had to be made.

    ``previous`` is where a build before may have left them; None where nobody keeps that.
    """
    if taken_over(source, target, previous=previous):
        return False
    is_new = not os.path.lexists(target)
    if not is_new:
        files.link_tree(source, target)
    elif not ahead.take(source, target):
        link_anew(source, target)
    if previous is not None and is_new:
        directories = [directory for directory, _ in tree_listing(source) if directory]
        _seal(target, directories, _note_of(source))
    return True


def taken_over(source: Path, target: Path, *, previous: Path | None) -> bool:
    """Whether what ``previous`` held was the tree ``source``, and lies at ``target`` now."""
    return previous is not None and _take_over(_note_of(source), previous, target)


def _note_of(source: Path) -> Path:
    return source.parent / f"{source.name}.seal"


def _names_of(source: Path) -> Path:
    return source.parent / f"{source.name}.names"


def tree_listing(source: Path) -> Listing:
    """The names in a cached tree, which is complete and never changes: written down beside it."""
    found = read_listing(str(_names_of(source)))
    if found is None:
        found = list_tree(str(source))
        write_listing(source, found)
    return found


def write_listing(source: Path, listing: Listing) -> None:
    """Note what lies in a tree that is in the cache, or soon will be."""
    files.write_whole(_names_of(source), encode_listing(listing))


def link_anew(source: Path, target: Path) -> None:
    """Link it into a new directory, with two processes where that helps."""
    listing = tree_listing(source)
    try:
        if len(listing) > WORTH_A_PROCESS and is_alone():
            tree = Linking(source=str(source), target=str(target), listing=listing)
            is_done = LinkingAside([tree]).finish()
        else:
            target.mkdir(parents=True)
            link_listed(str(source), str(target), listing)
            is_done = True
    except OSError:
        is_done = False
    if not is_done:
        remove_tree(target)
        files.link_tree(source, target)


def _take_over(note: Path, previous: Path, target: Path) -> bool:
    """Move the tree at ``previous`` to ``target``, if it is what was sealed and still is."""
    if os.path.lexists(target):
        return False  # the app brings files of its own there: they are added to
    try:
        seal = decode_seal(note.read_bytes())
        if seal is None or not is_unbroken(previous, seal):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        previous.rename(target)
    except OSError:
        return False  # no seal, no such tree, or one that cannot be moved: linking does it all
    return True


def _seal(target: Path, directories: list[bytes], note: Path) -> None:
    """Note every directory, and which files lie at the top."""
    names = {os.fsencode(name) for name in os.listdir(target)}  # noqa: PTH208 - names alone
    links = sorted(names.difference(directories))
    seal = seal_entries(target, directories, links)
    files.write_whole(note, seal.encoded())
    seal.wait()  # the app's own programs run next, and might write within the same tick
