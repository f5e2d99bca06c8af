"""Prune: what was not used for long goes, what is in use stays, whoever else is at work."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.locks import locked
from slugc.scratch import opened_scratch
from slugc.store import BUILDPACKS_LOCK, Store
from slugc.upkeep.inventory import GONE, Item, Kind, take_inventory
from slugc.upkeep.prune import Pruned, PruneRequest, expired, prune
from slugc.upkeep.removal import NotRemovedError, Removal
from tests.unit.slugc.upkeep.samples import (
    BUILDPACK,
    DAY,
    make_cache,
    make_data_dir,
    names,
    used_ago,
)

EVERYTHING = {
    Kind.LAYERS,
    Kind.FRAMES,
    Kind.SIGNATURES,
    Kind.JUDGED,
    Kind.BUILDPACKS,
    Kind.CACHES,
}


def pruned(
    data_dir: Path,
    *,
    older_than: float | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
) -> Pruned:
    request = PruneRequest(
        data_dir=data_dir, older_than=older_than, max_size=max_size, dry_run=dry_run
    )
    return prune(request)


def kinds(found: Pruned) -> set[Kind]:
    return {item.kind for item in found.removed}


@pytest.fixture
def home(open_dir: Path) -> Path:
    make_data_dir(open_dir / "home")
    return open_dir / "home"


def test_what_was_just_used_stays(home: Path) -> None:
    before = take_inventory(home)
    found = pruned(home, older_than=60)
    assert found.removed == ()
    assert take_inventory(home) == before


def test_everything_goes_when_nothing_may_stay(home: Path) -> None:
    found = pruned(home, older_than=0)
    assert kinds(found) == EVERYTHING
    assert found.freed > 10_000
    assert found.left == 0
    assert take_inventory(home) == ()
    for place in ("store/layers", "store/frames", "store/uses", "buildpacks", "cache"):
        assert names(home / place) == []


def test_a_dry_run_tells_the_same_and_does_nothing(home: Path) -> None:
    before = take_inventory(home)
    tried = pruned(home, older_than=0, dry_run=True)
    assert take_inventory(home) == before
    done = pruned(home, older_than=0)
    assert {item.path for item in tried.removed} == {item.path for item in done.removed}
    assert (tried.freed, tried.left) == (done.freed, done.left)


def test_the_least_recently_used_go_until_the_rest_fits(open_dir: Path) -> None:
    home = open_dir / "home"
    for number in range(5):
        cache = make_cache(home, f"app-{number:08x}", size=100_000)
        used_ago(cache / "lock", (number + 1) * DAY)
    found = pruned(home, max_size=250_000)
    assert [item.name for item in found.removed] == ["app-00000004", "app-00000003", "app-00000002"]
    assert names(home / "cache") == ["app-00000000", "app-00000001"]
    assert found.left <= 250_000


def test_age_comes_before_size(open_dir: Path) -> None:
    home = open_dir / "home"
    for number in range(3):
        used_ago(make_cache(home, f"app-{number:08x}") / "lock", number * DAY)
    found = pruned(home, older_than=1.5 * DAY, max_size=10_000_000)
    assert [item.name for item in found.removed] == ["app-00000002"]


def test_a_layer_under_a_container_stays(open_dir: Path) -> None:
    home = open_dir / "home"
    slug = make_data_dir(home)
    store = Store(home / "store")
    with store.layers_in_use(slug) as layers:
        found = pruned(home, older_than=0)
        assert all(layer.is_dir() for layer in layers)
        assert {item.name for item in found.in_use} == {layer.name for layer in layers}
        assert found.left == sum(item.size for item in found.in_use)
    pruned(home, older_than=0)
    assert not any(layer.exists() for layer in layers)
    assert names(home / "store" / "locks") == ["packing"]


def test_layers_are_there_again_when_they_are_needed(open_dir: Path) -> None:
    home = open_dir / "home"
    slug = make_data_dir(home)
    pruned(home, older_than=0)
    with Store(home / "store").layers_in_use(slug) as layers:
        assert all(layer.is_dir() for layer in layers)


def test_a_cache_of_a_running_build_stays(home: Path) -> None:
    with locked(home / "cache" / "polls-1a2b3c4d" / "lock"):
        found = pruned(home, older_than=0)
    assert [item.name for item in found.in_use] == ["polls-1a2b3c4d"]
    assert (home / "cache" / "polls-1a2b3c4d" / "work").is_dir()


@pytest.mark.parametrize(
    ("lock", "kept"),
    [
        ("store/locks/packing", {Kind.FRAMES, Kind.SIGNATURES, Kind.JUDGED}),
        (BUILDPACKS_LOCK, {Kind.BUILDPACKS}),
    ],
)
def test_what_a_running_build_is_about_to_copy_stays(
    home: Path, lock: str, kept: set[Kind]
) -> None:
    items = take_inventory(home)
    with locked(home / lock, shared=True), Removal(home, patience=0.05) as removal:
        left = {item.kind for item in items if not removal.remove(item)}
    assert left == kept


def test_prune_waits_until_a_slug_is_packed(home: Path) -> None:
    """A build needs the frames for moments, so it is worth waiting."""
    pid = os.fork()
    if pid == 0:
        with locked(home / "store" / "locks" / "packing", shared=True):
            time.sleep(0.3)
        os._exit(0)
    time.sleep(0.1)
    assert kinds(pruned(home, older_than=0)) == EVERYTHING
    os.waitpid(pid, 0)


def test_leftovers_of_killed_processes_go_at_any_age(home: Path) -> None:
    (home / "store" / "layers" / f"{GONE}77-abcd" / "deep").mkdir(parents=True)
    (home / "store" / "layers" / f".{'c' * 64}.77.abcd.tmp").mkdir()
    (home / "cache" / f"{GONE}77-abcd").mkdir()
    found = pruned(home, older_than=365 * DAY)
    assert kinds(found) == {Kind.LEFTOVERS}
    assert len(found.removed) == 3
    assert not list(home.rglob(f"{GONE}*")) + list(home.rglob("*.tmp"))


def test_scratches_of_the_dead_go_and_those_of_the_living_stay_under_any_clock(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, begun, trial = (home / "scratch" / name for name in ("scratch-a", "scratch-b", "trial"))
    for path in (dead, begun, trial):
        path.mkdir(parents=True)
    for path in (dead, trial):
        (path / "lock").touch()
    with opened_scratch(home) as living, locked(trial / "lock"):
        for path in (dead, begun):
            path.mkdir(exist_ok=True)
        (dead / "lock").touch()
        pruned(home, older_than=365 * DAY)
        assert names(home / "scratch") == sorted([living.name, begun.name, "trial"])
        later = time.time() + 10 * DAY
        monkeypatch.setattr(time, "time", lambda: later)
        pruned(home, older_than=365 * DAY)
        assert names(home / "scratch") == sorted([living.name, "trial"])
    pruned(home, older_than=365 * DAY)
    assert names(home / "scratch") == []


def test_a_trial_that_begins_while_it_is_pruned_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = home / "scratch" / "trial"
    trial.mkdir(parents=True)
    (trial / "lock").touch()
    monkeypatch.setattr("slugc.upkeep.inventory.is_held", lambda _: False)  # as it was a moment ago
    with locked(trial / "lock"):
        found = pruned(home, older_than=365 * DAY)
    assert [item.name for item in found.in_use] == ["trial"]
    assert trial.is_dir()


def test_a_buildpack_that_is_being_copied_stays_under_any_clock(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = home / "buildpacks" / f".{'c' * 64}.77.abcd.tmp"
    copied.mkdir(parents=True)
    later = time.time() + 10 * DAY
    monkeypatch.setattr(time, "time", lambda: later)
    with locked(home / BUILDPACKS_LOCK, shared=True):
        pruned(home, older_than=365 * DAY)
        assert copied.is_dir()
    pruned(home, older_than=365 * DAY)
    assert not copied.exists()


def test_what_is_being_made_stays(home: Path) -> None:
    store = Store(home / "store")
    layer = home / "store" / "layers" / f".{'c' * 64}.77.abcd.tmp"
    layer.mkdir()
    note = home / "store" / "signatures" / f".{'d' * 64}.77.abcd.tmp"
    note.write_text("{")
    with locked(store.lock_file("c" * 64)), store.temporary_frame() as frame:
        pruned(home, older_than=0)
        assert layer.is_dir()
        assert frame.is_file()
        assert note.is_file()


def test_a_clock_that_was_wrong_keeps_nothing_for_ever(home: Path) -> None:
    lock = home / "cache" / "polls-1a2b3c4d" / "lock"
    used_ago(lock, -3650 * DAY)
    pruned(home, older_than=DAY)
    assert (home / "cache" / "polls-1a2b3c4d").is_dir()
    assert abs(lock.stat().st_mtime - time.time()) < 60


def test_an_old_time_of_use_is_renewed_by_using(open_dir: Path) -> None:
    home = open_dir / "home"
    slug = make_data_dir(home)
    store = Store(home / "store")
    with store.layers_in_use(slug):
        pass
    for use in (home / "store" / "uses").iterdir():
        used_ago(use, 40 * DAY)
    with store.layers_in_use(slug):
        pass
    assert Kind.LAYERS not in kinds(pruned(home, older_than=30 * DAY))


def test_records_go_when_their_slug_is_gone(home: Path) -> None:
    record = next((home / "builds").iterdir())
    used_ago(record, 40 * DAY)
    assert Kind.HISTORY not in kinds(pruned(home, older_than=30 * DAY))
    (home.parent / "x.slug").unlink()
    assert Kind.HISTORY in kinds(pruned(home, older_than=30 * DAY))
    assert not record.exists()


def test_a_link_in_the_store_leads_nowhere(home: Path) -> None:
    outside = home.parent / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (home / "store" / "layers" / ("e" * 64)).symlink_to(outside)
    (home / "buildpacks" / ("e" * 64)).symlink_to(outside)
    pruned(home, older_than=0)
    assert (outside / "precious").read_text() == "x"
    assert not os.path.lexists(home / "store" / "layers" / ("e" * 64))


def test_a_store_that_is_a_link_is_not_entered(home: Path) -> None:
    (home / "store").rename(home.parent / "elsewhere")
    (home / "store").symlink_to(home.parent / "elsewhere")
    before = names(home.parent / "elsewhere" / "layers")
    with pytest.raises(NotRemovedError) as caught:
        pruned(home, older_than=0)
    assert caught.value.exit_code == ExitCode.CANNOT_CREATE
    assert caught.value.text() == (
        f"Slugkit cannot remove what lies in {home}\n\n"
        "Not a directory: store\n\n"
        "What was removed is gone, the rest is as it was. Try again as the user it\n"
        "belongs to."
    )
    assert names(home.parent / "elsewhere" / "layers") == before


def test_an_empty_data_directory(open_dir: Path) -> None:
    found = pruned(open_dir, older_than=0, max_size=0)
    assert (found.removed, found.in_use, found.left) == ((), (), 0)


def test_buildpacks_that_are_not_kept_by_content_stay(home: Path) -> None:
    (home / "buildpacks" / "installed").mkdir()
    pruned(home, older_than=0)
    assert names(home / "buildpacks") == ["installed"]
    assert BUILDPACK not in names(home / "buildpacks")


def test_expired_are_sorted_by_their_last_use() -> None:
    items = [
        Item(kind=Kind.FRAMES, place="store/frames", name=str(used), size=1, used=used)
        for used in (30.0, 10.0, 20.0, 95.0)
    ]
    assert [item.used for item in expired(items, 100.0, 50.0)] == [10.0, 20.0, 30.0]
    assert expired(items, 100.0, None) == []


def test_a_lock_nobody_holds_any_more_does_not_count(home: Path) -> None:
    """The kernel lets go when its holder dies, however it dies."""
    lock = home / "cache" / "polls-1a2b3c4d" / "lock"
    pid = os.fork()
    if pid == 0:
        descriptor = os.open(lock, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert Kind.CACHES in kinds(pruned(home, older_than=0))
