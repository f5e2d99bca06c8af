"""What lies in the data directory: every item that can be removed by itself, and its last use."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from buildpack.support.deletion import open_dir
from buildpack.support.locks import is_locked
from buildpack.support.values import value
from slugc.scratch import LOCK, PREFIX, SCRATCH, TRIAL
from slugc.store import BUILDPACKS_LOCK
from slugc.upkeep.trees import usage


class Kind(StrEnum):
    """Which sort of thing an item is; the order is that of reports."""

    LAYERS = "layers"
    FRAMES = "frames"
    SIGNATURES = "signatures"
    JUDGED = "judged"
    BUILDPACKS = "buildpacks"
    CACHES = "caches"
    HISTORY = "history"
    LEFTOVERS = "leftovers"


PLACES: Mapping[Kind, str] = {
    Kind.LAYERS: "store/layers",
    Kind.FRAMES: "store/frames",
    Kind.SIGNATURES: "store/signatures",
    Kind.JUDGED: "store/judged",
    Kind.BUILDPACKS: "buildpacks",
    Kind.CACHES: "cache",
    Kind.LEFTOVERS: SCRATCH,
}
"""Where the items of a kind lie, each under a name of its own."""

GONE = ".gone-"
"""What begins so was renamed by somebody who was about to delete it."""
_STALE = 3600.0  # seconds; a note is written in some milliseconds
_BY_CONTENT = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\..*\.tmp")


@value
class Item:
    """One thing that can be removed by itself. ``place`` is below the data directory."""

    kind: Kind
    place: str
    name: str
    size: int
    """on the disk, in bytes"""
    used: float
    """when last, as a time in seconds"""

    @property
    def path(self) -> str:
        return f"{self.place}/{self.name}"


def take_inventory(data_dir: Path) -> tuple[Item, ...]:
    """Every item there is but the records of builds."""
    return tuple(item for kind in PLACES for item in items_of(data_dir, kind))


def items_of(data_dir: Path, kind: Kind) -> Iterator[Item]:
    """The items of one kind, and what those who died while they made some have left there."""
    place = PLACES[kind]
    try:
        directory = open_dir(os.fspath(data_dir / place))
    except FileNotFoundError:
        return
    try:
        for name in sorted(os.listdir(directory)):  # noqa: PTH208  # of what we hold, not of a name
            leftover = _is_leftover(data_dir, kind, name, directory)
            if not leftover and not _is_item(kind, name):
                continue
            with contextlib.suppress(FileNotFoundError):
                yield Item(
                    kind=Kind.LEFTOVERS if leftover else kind,
                    place=place,
                    name=name,
                    size=usage(name, directory),
                    used=_last_use(data_dir, kind, name, directory),
                )
    finally:
        os.close(directory)


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock; what cannot be opened, as a link, nobody has locked."""
    try:
        return is_locked(path)
    except OSError:
        return False


def _is_item(kind: Kind, name: str) -> bool:
    if kind is Kind.LEFTOVERS:
        return False
    if kind in {Kind.CACHES, Kind.FRAMES}:
        return not name.startswith(".")
    return _BY_CONTENT.fullmatch(name) is not None


def _is_leftover(data_dir: Path, kind: Kind, name: str, directory: int) -> bool:
    if name.startswith(GONE):
        return True
    if kind is Kind.LEFTOVERS:
        return _is_left_scratch(data_dir, name, directory)
    if not _TEMPORARY.fullmatch(name):
        return False
    lock = _makers_lock(data_dir, kind, name)
    return _is_stale(name, directory) if lock is None else not is_held(lock)


def _makers_lock(data_dir: Path, kind: Kind, name: str) -> Path | None:
    """Held by whoever fills what has this temporary name; None where that takes a moment."""
    match kind:
        case Kind.LAYERS:
            return data_dir / "store" / "locks" / name.split(".")[1]
        case Kind.FRAMES:
            return data_dir / PLACES[kind] / name
        case Kind.BUILDPACKS:
            return data_dir / BUILDPACKS_LOCK
        case _:
            return None


def _is_left_scratch(data_dir: Path, name: str, directory: int) -> bool:
    if not name.startswith(PREFIX) and name != TRIAL:
        return False
    lock = data_dir / SCRATCH / name / LOCK
    # Without a lock, somebody makes it just now, or was killed while he did.
    return not is_held(lock) if os.path.lexists(lock) else _is_stale(name, directory)


def _is_stale(name: str, directory: int) -> bool:
    """Whether what takes its maker a moment is not of this moment."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return abs(time.time() - max(status.st_mtime, status.st_ctime)) > _STALE


def use_mark(data_dir: Path, item: Item) -> Path:
    """The file whose time says when the item was last used."""
    return _marks(data_dir, item.kind, item.name) or data_dir / item.path


def _marks(data_dir: Path, kind: Kind, name: str) -> Path | None:
    match kind:
        case Kind.LAYERS:
            return data_dir / "store" / "uses" / name
        case Kind.CACHES:
            return data_dir / "cache" / name / "lock"
        case _:
            return None


def _last_use(data_dir: Path, kind: Kind, name: str, directory: int) -> float:
    """By the time of the file that every use sets; else by when the item got its name."""
    mark = _marks(data_dir, kind, name)
    if mark is None:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
    with contextlib.suppress(FileNotFoundError):
        return mark.lstat().st_mtime
    return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ctime
