"""`slugc cache show` and `slugc cache clear`: the build caches of apps, by app."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.values import value
from slugc.privileges import require_reachable
from slugc.upkeep.inventory import Item, Kind, items_of
from slugc.upkeep.removal import NotRemovedError, Removal, in_use
from slugc.upkeep.units import in_columns, shown_age, shown_size

_SPACE_NAME = re.compile(r"(.+)-[0-9a-f]{8}(?:-docker.*)?")


class NoSuchCacheError(SlugkitError):
    """No app of that name was built here."""

    exit_code = ExitCode.NO_INPUT
    id = "no-such-cache"

    def __init__(self, app: str, names: Sequence[str]) -> None:
        import difflib  # a mistake is rare, and may take a while

        self.app = app
        self.near = tuple(difflib.get_close_matches(app, names, n=3))
        near = " or ".join(f"'{printable(name)}'" for name in self.near)
        super().__init__(
            f"There is no build cache of an app '{printable(app)}'",
            resolution=f"Did you mean {near}?" if near else "See which there are: slugc cache show",
        )


class CacheInUseError(SlugkitError):
    """A build is running that uses it."""

    exit_code = ExitCode.TRY_AGAIN
    id = "cache-in-use"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            "A build is using the cache " + ", ".join(printable(name) for name in names),
            resolution="It was left as it is. Try again when the build has finished.",
        )


@value
class AppCache:
    """One app's build cache. An app built from two places has two."""

    item: Item
    busy: bool

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def app(self) -> str:
        """What the cache is named after: `polls` of `polls-1a2b3c4d` (slugc/build_space.py)."""
        found = _SPACE_NAME.fullmatch(self.name)
        return found[1] if found else self.name


def read_caches(data_dir: Path, app: str | None = None) -> tuple[AppCache, ...]:
    """The caches of one app, named as the app or as the cache, or of all; the newest first."""
    found = [
        AppCache(item=item, busy=in_use(data_dir, item))
        for item in items_of(data_dir, Kind.CACHES)
        if item.kind is Kind.CACHES
    ]
    chosen = [cache for cache in found if app is None or app in {cache.app, cache.name}]
    if app is not None and not chosen:
        raise NoSuchCacheError(app, sorted({cache.app for cache in found}))
    return tuple(sorted(chosen, key=lambda cache: -cache.item.used))


def clear_caches(data_dir: Path, app: str | None = None) -> tuple[AppCache, ...]:
    """Remove those caches. Raises CacheInUseError, when the others are gone, for what is in use."""
    require_reachable(data_dir)
    caches = read_caches(data_dir, app)
    try:
        with Removal(data_dir) as removal:
            cleared = [cache for cache in caches if removal.remove(cache.item)]
    except OSError as err:
        raise NotRemovedError(data_dir, err) from err
    if busy := [cache.name for cache in caches if cache not in cleared]:
        raise CacheInUseError(busy)
    return tuple(cleared)


def as_table(caches: Sequence[AppCache], now: float) -> str:
    """One line for each cache, under headings."""
    if not caches:
        return "No app was built yet, so there are no build caches.\n"
    rows = [
        (
            printable(cache.app),
            shown_size(cache.item.size),
            "in use" if cache.busy else shown_age(now - cache.item.used),
            printable(cache.name),
        )
        for cache in caches
    ]
    return in_columns([("APP", "SIZE", "LAST USED", "CACHE"), *rows])


def as_json(caches: Sequence[AppCache]) -> str:
    """A list of objects, for programs."""
    documents = [
        {
            "app": cache.app,
            "cache": cache.name,
            "size": cache.item.size,
            "used_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(cache.item.used)),
            "in_use": cache.busy,
        }
        for cache in caches
    ]
    return json.dumps(documents)
