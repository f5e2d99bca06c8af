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

from buildpack.support import files
from buildpack.support.linking import (
    WORTH_A_PROCESS,
    Linking,
    Listing,
    decode_listing,
    encode_listing,
    halves,
    link_listed,
    list_tree,
)
from buildpack.support.seals import decode_seal, is_unbroken, seal_entries

NOTHING: Listing = ()
PREVIOUS = "PREVIOUS_BUILD_DIR"
FINISHED = "FINISHED_LAYERS_DIR"


def previous_build_dir(env: Mapping[str, str]) -> Path | None:
    """Where the last build's tree would be, if the slug compiler keeps one for us."""
    named = env.get(PREVIOUS, "")
    return Path(named) if named.startswith("/") else None


def tell_finished(env: Mapping[str, str], layer: str) -> None:
    """Say that nothing in the slug compiler's ``layer`` will change any more, where it asks."""
    named = env.get(FINISHED, "")
    if named.startswith("/"):
        with contextlib.suppress(OSError):  # told nothing it packs the layer at the end
            Path(named, layer).touch()


def restore_tree(
    source: Path, target: Path, *, previous: Path | None, akin: Path | None = None
) -> bool:
    """Give ``target`` the files of the cached tree ``source``; whether it had to be made.

    ``previous`` is where a build before may have left them; None where nobody keeps that.
    ``akin`` is a tree that is much the same, and that nobody needs any more.
    """
    note = _note_of(source)
    if taken_over(source, target, previous=previous):
        return False
    is_new = not os.path.lexists(target)
    listing = _made_from(akin, source, target) if akin and is_new else None
    if listing is None:
        listing = tree_listing(source)
        if not (is_new and link_quickly(source, target, listing)):
            files.link_tree(source, target)
    if previous is not None and is_new:
        _seal(target, [directory for directory, _ in listing if directory], note)
    return True


def _made_from(akin: Path, source: Path, target: Path) -> Listing | None:
    from buildpack.likeness import made_alike

    listing = made_alike(source, target, akin)
    if listing is not None:
        files.write_atomically(_names_of(source), encode_listing(listing))
    return listing


def taken_over(source: Path, target: Path, *, previous: Path | None) -> bool:
    """Whether what ``previous`` held was the tree ``source``, and lies at ``target`` now."""
    return previous is not None and _take_over(_note_of(source), previous, target)


def _note_of(source: Path) -> Path:
    return source.parent / f"{source.name}.seal"


def _names_of(source: Path) -> Path:
    return source.parent / f"{source.name}.names"


def tree_listing(source: Path) -> Listing:
    """The names in a cached tree, which is complete and never changes: written down beside it."""
    note = _names_of(source)
    try:
        found = decode_listing(note.read_bytes())
    except OSError:
        found = None
    if found is None:
        found = list_tree(str(source))
        files.write_atomically(note, encode_listing(found))
    return found


def link_quickly(source: Path, target: Path, listing: Listing) -> bool:
    """Link it into a new directory, with two processes where that helps; False if it fails."""
    target.mkdir(parents=True)
    first, second = listing, NOTHING
    if len(os.sched_getaffinity(0)) > 1 and len(listing) > WORTH_A_PROCESS and is_single_threaded():
        first, second = halves(listing)
    other = Linking(str(source), str(target), [second])
    try:
        link_listed(str(source), str(target), first)
        is_done = other.finish()
    except OSError:
        other.finish()
        is_done = False
    if not is_done:
        files.remove_tree(target)
    return is_done


def is_single_threaded() -> bool:
    """Only then may a process fork and go on in the child."""
    return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - names alone


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
    files.write_atomically(note, seal.encoded())
    seal.wait()  # the app's own programs run next, and might write within the same tick
