"""Removing items that nobody uses: renamed aside at once, deleted when all locks are free again.

Killed at any moment, this leaves either an item as it was or a name that begins with ``GONE``,
which the next one who prunes deletes. Started by root, trees of the unprivileged user are deleted
as that user first; what is then left are directories that were root's.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from buildpack.support.deletion import delete
from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.locks import LockTimeoutError, locked
from slugc.privileges import in_dropped_child
from slugc.scratch import LOCK, SCRATCH
from slugc.store import BUILDPACKS_LOCK, Store
from slugc.upkeep.inventory import GONE, Item, Kind, is_held

PATIENCE = 10.0  # seconds to wait for slugs being packed and buildpacks being copied


class NotRemovedError(SlugkitError):
    """The file system refuses, or a device fails."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "not-removed"

    def __init__(self, data_dir: Path, cause: OSError) -> None:
        self.data_dir, self.cause = data_dir, cause
        where = f": {printable_path(cause.filename)}" if cause.filename else ""
        super().__init__(
            f"Slugkit cannot remove what lies in {printable_path(data_dir)}",
            details=f"{cause.strerror}{where}",
            resolution="What was removed is gone, the rest is as it was. Try again as the user it\n"
            "belongs to.",
        )


class Removal:
    """Takes items out of use; left, it deletes them."""

    def __init__(self, data_dir: Path, *, patience: float = PATIENCE) -> None:
        self._data_dir = data_dir
        self._store = Store(data_dir / "store")
        self._patience = patience
        self._locks = contextlib.ExitStack()
        self._got: dict[str, bool] = {}
        """the locks of whole kinds that were asked for, and whether we hold them"""
        self._gone: list[tuple[str, str]] = []
        """places, and names there that nobody looks for any more"""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._locks.close()
        if error is None:
            delete_aside(self._data_dir, self._gone)

    def remove(self, item: Item) -> bool:
        """Take the item away; False if it is in use."""
        match item.kind:
            case Kind.LEFTOVERS:
                return self._remove_leftover(item)
            case Kind.LAYERS:
                return self._remove_layer(item)
            case Kind.CACHES:
                return self._remove_locked(item, self._data_dir / item.path / "lock")
            case Kind.HISTORY:
                (self._data_dir / item.path).unlink(missing_ok=True)
                return True
            case Kind.BUILDPACKS:
                return self._remove_of_kind(item, self._data_dir / BUILDPACKS_LOCK)
            case _:
                return self._remove_of_kind(item, self._store.packing_lock)

    def _remove_leftover(self, item: Item) -> bool:
        if item.name.startswith(GONE):
            self._gone.append((item.place, item.name))
        elif item.place == SCRATCH:
            return self._remove_locked(item, self._data_dir / item.path / LOCK)
        else:  # nobody makes another one of that name
            self._put_aside(item)
        return True

    def _remove_layer(self, item: Item) -> bool:
        use = self._store.use_file(item.name)
        lock = self._store.lock_file(item.name)
        if not self._remove_locked(item, use):
            return False
        # Whoever waits for one of these notices that it is gone (buildpack/support/locks.py).
        for spent in (use, lock):
            with contextlib.suppress(LockTimeoutError), locked(spent, timeout=0):
                if not (self._data_dir / item.path).exists():
                    spent.unlink()
        return True

    def _remove_locked(self, item: Item, lock: Path) -> bool:
        if not os.path.lexists(self._data_dir / item.path):
            return True
        try:
            with locked(lock, timeout=0):
                self._put_aside(item)
        except LockTimeoutError:
            return False
        except OSError as err:
            # Nobody can have made a lock where there is no room for its file.
            if err.errno not in {errno.ENOSPC, errno.EDQUOT} or os.path.lexists(lock):
                raise
            self._put_aside(item)
        return True

    def _remove_of_kind(self, item: Item, lock: Path) -> bool:
        key = str(lock)
        if key not in self._got:
            try:
                self._locks.enter_context(locked(lock, timeout=self._patience))
                self._got[key] = True
            except LockTimeoutError:
                self._got[key] = False
        if self._got[key]:
            self._put_aside(item)
        return self._got[key]

    def _put_aside(self, item: Item) -> None:
        """Rename it in the directory it is in, which is opened without following links."""
        with _opened(self._data_dir, item.place) as directory:
            name = f"{GONE}{os.getpid()}-{os.urandom(4).hex()}"
            with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                os.rename(item.name, name, src_dir_fd=directory, dst_dir_fd=directory)
                self._gone.append((item.place, name))


def in_use(data_dir: Path, item: Item) -> bool:
    """Whether ``remove`` would leave the item where it is, as far as that can be seen now."""
    if item.kind is Kind.LAYERS:
        return is_held(Store(data_dir / "store").use_file(item.name))
    return item.kind is Kind.CACHES and is_held(data_dir / item.path / "lock")


def delete_aside(data_dir: Path, gone: Iterable[tuple[str, str]]) -> None:
    """Delete what was put aside, without root's rights as far as that goes."""
    places = tuple(gone)
    if os.getuid() == 0 and places:
        in_dropped_child(partial(_delete_all, data_dir, places, tolerant=True))
    _delete_all(data_dir, places, tolerant=False)


def _delete_all(data_dir: Path, gone: Iterable[tuple[str, str]], *, tolerant: bool) -> None:
    for place, name in gone:
        with _opened(data_dir, place) as directory:
            delete(name, directory, tolerant=tolerant)


@contextlib.contextmanager
def _opened(data_dir: Path, place: str) -> Iterator[int]:
    """A directory below the data directory; no part of ``place`` may be a link.

    Not to be read: the process without rights passes through some that it may not list.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    with contextlib.ExitStack() as opened:
        directory = os.open(data_dir, flags)
        opened.callback(os.close, directory)
        for part in place.split("/"):
            directory = os.open(part, flags | os.O_NOFOLLOW, dir_fd=directory)
            opened.callback(os.close, directory)
        yield directory
