"""releases prune, and that slugc prune never frees what a release needs."""

from __future__ import annotations

import pytest

from runner.deploys.errors import SlugNotKeptError
from runner.deploys.freeing import free_slugs
from runner.deploys.rollback import roll_back
from slugc.store import Store
from slugc.upkeep.prune import PruneRequest, prune
from tests.unit.runner.deploys.counter import OPTIONS, Counter


def kept(counter: Counter) -> set[str]:
    return {f"sha256:{path.stem}" for path in counter.desk.data_dir.glob("slugs/*.slug")}


def test_only_slugs_of_no_release_are_freed(counter: Counter) -> None:
    one, two = counter.slug("one"), counter.slug("two")
    other = counter.state.create_app("shop")
    counter.deploy(one)
    counter.deploy(two, app=other)
    assert free_slugs(counter.desk) == ()
    counter.state.destroy_app(other)
    size = counter.desk.slugs.path(two.metadata.checksum).stat().st_size
    (freed,) = free_slugs(counter.desk)
    assert (freed.checksum, freed.size) == (two.metadata.checksum, size)
    assert kept(counter) == {one.metadata.checksum}


def test_keep_spares_what_may_run_and_the_newest_that_ran(counter: Counter) -> None:
    slugs = [counter.slug(f"s{number}") for number in range(4)]
    for slug in slugs:
        counter.deploy(slug)
    roll_back(counter.desk, counter.app, 1, OPTIONS)
    free_slugs(counter.desk, 2)  # v5 is s0 again, v4 is s3
    assert kept(counter) == {slugs[0].metadata.checksum, slugs[3].metadata.checksum}
    free_slugs(counter.desk, 1)
    assert kept(counter) == {slugs[0].metadata.checksum}


def test_copies_somebody_was_killed_over_are_freed_too(counter: Counter) -> None:
    counter.deploy(counter.slug("one"))
    leftover = counter.desk.data_dir / "slugs" / ".abc.slug.123.456.tmp"
    leftover.write_bytes(b"half")
    free_slugs(counter.desk)
    assert not leftover.exists()


def test_slugc_prune_leaves_the_slugs_and_what_runs_can_be_unpacked_again(counter: Counter) -> None:
    slug = counter.slug("one")
    counter.deploy(slug)
    prune(PruneRequest(data_dir=counter.desk.data_dir, older_than=0.0, max_size=0))
    assert kept(counter) == {slug.metadata.checksum}
    assert not list(counter.desk.data_dir.glob("store/layers/*"))
    again = counter.desk.slugs.require_whole(slug.metadata.checksum, of="v1")
    (layer, *_) = Store(counter.desk.data_dir / "store").ensure_layers(again)
    assert layer.is_dir()


def test_without_slugs_there_is_nothing_to_free(counter: Counter) -> None:
    assert free_slugs(counter.desk) == ()


def test_a_place_where_slugs_cannot_be_kept_has_words(counter: Counter) -> None:
    (counter.desk.data_dir / "slugs").write_text("a file")
    with pytest.raises(SlugNotKeptError) as caught:
        counter.deploy(counter.slug("one"))
    assert caught.value.text() == (
        f"slug-run cannot keep slugs in {counter.desk.data_dir / 'slugs'}\n\n"
        "Not a directory\n\n"
        "Nothing was changed. Make room: slug-run releases prune frees slugs that\n"
        "no release needs, slugc prune what can be made again."
    )
    assert counter.statuses() == {}
