"""`slugc prune`: what has not been used for long goes, and of the rest the oldest until it fits."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from buildpack.support.values import changed, value
from slugc.history import read_record_files
from slugc.privileges import require_reachable
from slugc.store import note_use
from slugc.upkeep.inventory import Item, Kind, take_inventory, use_mark
from slugc.upkeep.removal import NotRemovedError, Removal, in_use

DEFAULT_AGE = 30 * 86_400.0
_AHEAD = 3600.0  # seconds; a time that far in the future was set by a wrong clock


@value
class PruneRequest:
    """What may stay: used at most ``older_than`` seconds ago, ``max_size`` bytes in all."""

    data_dir: Path
    older_than: float | None
    max_size: int | None
    dry_run: bool = False


@value
class Pruned:
    """What was removed (or would have been), what was in use, and how much is left."""

    removed: tuple[Item, ...]
    in_use: tuple[Item, ...]
    left: int
    dry_run: bool

    @property
    def freed(self) -> int:
        return sum(item.size for item in self.removed)


def prune(request: PruneRequest) -> Pruned:
    """Remove what ``request`` does not let stay."""
    try:
        return _prune(request)
    except OSError as err:
        raise NotRemovedError(request.data_dir, err) from err


def _prune(request: PruneRequest) -> Pruned:
    require_reachable(request.data_dir)
    now = time.time()
    data_dir = request.data_dir
    items = [_settled(data_dir, item, now) for item in take_inventory(data_dir)]
    first = [item for item in items if item.kind is Kind.LEFTOVERS]
    first += expired([*items, *_old_records(data_dir)], now, request.older_than)
    if request.dry_run:
        return _carried_out(request, items, first, lambda item: not in_use(data_dir, item))
    with Removal(data_dir) as removal:
        return _carried_out(request, items, first, removal.remove)


def expired(items: Iterable[Item], now: float, older_than: float | None) -> list[Item]:
    """Those that were last used too long ago, longest first."""
    if older_than is None:
        return []
    found = [
        item for item in items if item.kind is not Kind.LEFTOVERS and now - item.used >= older_than
    ]
    return sorted(found, key=lambda item: item.used)


def _carried_out(
    request: PruneRequest,
    items: Sequence[Item],
    first: Sequence[Item],
    remove: Callable[[Item], bool],
) -> Pruned:
    """``first`` goes in any case; then the least recently used until the rest is small enough."""
    removed: list[Item] = []
    kept: list[Item] = []
    for item in first:
        (removed if remove(item) else kept).append(item)
    tried = {item.path for item in first}
    left = sum(item.size for item in items if item.path not in tried)
    left += sum(item.size for item in kept)
    if request.max_size is not None:
        for item in sorted(items, key=lambda item: item.used):
            if left <= request.max_size:
                break
            if item.path in tried:
                continue
            if remove(item):
                removed.append(item)
                left -= item.size
            else:
                kept.append(item)
    return Pruned(removed=tuple(removed), in_use=tuple(kept), left=left, dry_run=request.dry_run)


def _settled(data_dir: Path, item: Item, now: float) -> Item:
    """A time in the future says nothing: the item counts as used now, and ages from now on."""
    if item.used <= now + _AHEAD:
        return item
    if item.kind is not Kind.LEFTOVERS:
        note_use(use_mark(data_dir, item))
    return changed(item, used=now)


def _old_records(data_dir: Path) -> Iterator[Item]:
    """Records of builds that no slug is left of, or whose slug was written anew."""
    known: set[str] = set()
    for path, record in read_record_files(data_dir):
        if record.archive in known or not os.path.lexists(record.archive):
            with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                status = path.stat()
                yield Item(
                    kind=Kind.HISTORY,
                    place="builds",
                    name=path.name,
                    size=status.st_blocks * 512,
                    used=status.st_mtime,
                )
        known.add(record.archive)
