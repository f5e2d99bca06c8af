"""`slugc cache`: which app's cache is how large, and clearing them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.locks import locked
from slugc.upkeep import caches
from slugc.upkeep.caches import CacheInUseError, NoSuchCacheError, clear_caches, read_caches
from tests.unit.slugc.upkeep.samples import make_cache, names, used_ago


@pytest.fixture
def home(open_dir: Path) -> Path:
    for name, age in (("polls-1a2b3c4d", 60), ("shop-ab-00000000-docker", 7200)):
        used_ago(make_cache(open_dir, name) / "lock", age)
    return open_dir


def test_caches_are_named_after_their_app_newest_first(home: Path) -> None:
    assert [cache.app for cache in read_caches(home)] == ["polls", "shop-ab"]
    assert [cache.name for cache in read_caches(home, "shop-ab")] == ["shop-ab-00000000-docker"]
    assert [cache.app for cache in read_caches(home, "polls-1a2b3c4d")] == ["polls"]


def test_caches_as_a_table(home: Path) -> None:
    with locked(home / "cache" / "polls-1a2b3c4d" / "lock"):
        lines = caches.as_table(read_caches(home), time.time()).splitlines()
    assert lines[0].split() == ["APP", "SIZE", "LAST", "USED", "CACHE"]
    assert lines[1].split()[0] == "polls"
    assert lines[1].split()[-3:] == ["in", "use", "polls-1a2b3c4d"]
    assert lines[2].split()[-2:] == ["2h", "shop-ab-00000000-docker"]


def test_no_caches(tmp_path: Path) -> None:
    assert caches.as_table(read_caches(tmp_path), 0) == (
        "No app was built yet, so there are no build caches.\n"
    )
    assert caches.as_json(()) == "[]"


def test_caches_as_json(home: Path) -> None:
    first, _ = json.loads(caches.as_json(read_caches(home)))
    assert first["app"] == "polls"
    assert first["size"] > 10_000
    assert first["in_use"] is False


def test_clear_one(home: Path) -> None:
    assert [cache.app for cache in clear_caches(home, "polls")] == ["polls"]
    assert names(home / "cache") == ["shop-ab-00000000-docker"]


def test_clear_all(home: Path) -> None:
    assert len(clear_caches(home)) == 2
    assert names(home / "cache") == []


def test_a_cache_in_use_is_left(home: Path) -> None:
    with (
        locked(home / "cache" / "polls-1a2b3c4d" / "lock"),
        pytest.raises(CacheInUseError) as caught,
    ):
        clear_caches(home)
    assert caught.value.exit_code == ExitCode.TRY_AGAIN
    assert caught.value.text() == (
        "A build is using the cache polls-1a2b3c4d\n\n"
        "It was left as it is. Try again when the build has finished."
    )
    assert names(home / "cache") == ["polls-1a2b3c4d"]


def test_an_app_nobody_built(home: Path) -> None:
    with pytest.raises(NoSuchCacheError) as caught:
        read_caches(home, "poll")
    assert caught.value.exit_code == ExitCode.NO_INPUT
    assert caught.value.text() == (
        "There is no build cache of an app 'poll'\n\nDid you mean 'polls'?"
    )
    with pytest.raises(NoSuchCacheError, match="zzz") as other:
        clear_caches(home, "zzz")
    assert other.value.resolution == "See which there are: slugc cache show"
