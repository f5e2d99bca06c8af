"""scaling: what may be typed, what comes of it, and the words for everything else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from buildpack.support.errors import ExitCode
from runner.formation import CountError, ReleaseTypeError, UnknownProcessTypeError
from runner.scaling import (
    ResetWithWordsError,
    ScaleWordError,
    TooManyContainersError,
    changes_line,
    formation_line,
    idle_notices,
    of_release,
    parse_steps,
    reset_steps,
    scaled,
)
from runner.sizes import SIZES, UnknownSizeError, find_size
from runner.state.values import WantedCount
from slugc.procfile import ProcessType

TYPES = {ProcessType(x): "run it" for x in ("web", "worker", "my-worker", "release")}


def counts(**given: int) -> Mapping[ProcessType, WantedCount]:
    return {
        ProcessType(name): WantedCount(process_type=ProcessType(name), quantity=quantity)
        for name, quantity in given.items()
    }


def after(*words: str, **given: int) -> str:
    return formation_line(scaled(counts(**given), parse_steps(words), TYPES))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["web=2"], "web=2:standard-1x worker=1:standard-1x"),
        (["web+1"], "web=2:standard-1x worker=1:standard-1x"),
        (["web-1"], "web=0:standard-1x worker=1:standard-1x"),
        (["web=3:Standard-2X"], "web=3:standard-2x worker=1:standard-1x"),
        (["worker=0", "web=2"], "web=2:standard-1x worker=0:standard-1x"),
        (["my-worker=1"], "web=1:standard-1x my-worker=1:standard-1x worker=1:standard-1x"),
        (["web=1"], "web=1:standard-1x worker=1:standard-1x"),
        (["web+1", "web+1"], "web=3:standard-1x worker=1:standard-1x"),
    ],
)
def test_what_can_be_typed(words: list[str], expected: str) -> None:
    assert after(*words, web=1, worker=1) == expected


def test_an_app_nobody_has_scaled_has_one_web() -> None:
    assert after("worker=2") == "web=1:standard-1x worker=2:standard-1x"
    assert scaled({}, (), {ProcessType("worker"): "x"}) == ()


def test_a_size_is_kept_until_another_is_named() -> None:
    two = scaled({}, parse_steps(["web=1:standard-2x"]), TYPES)
    kept = scaled({x.process_type: x for x in two}, parse_steps(["web=5"]), TYPES)
    assert formation_line(kept) == "web=5:standard-2x"


@pytest.mark.parametrize(
    "word", ["web=-1", "web=1.5", "web=abc", "web=", "=3", "web", "web=1=2", "web=٣", "", "web= 1"]
)
def test_words_that_say_no_quantity(word: str) -> None:
    with pytest.raises(ScaleWordError) as caught:
        parse_steps([word])
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.text() == (
        f"'{word}' is no quantity of a process type\n\n"
        "Give a type and a whole number, and a size if you like:\n\n"
        "    slug-run scale web=2 worker+1\n"
        "    slug-run scale web=3:standard-2x"
    )


@pytest.mark.parametrize("word", ["web=101", "web=1000000000", "web+100", "web-2"])
def test_quantities_out_of_bounds(word: str) -> None:
    with pytest.raises(CountError) as caught:
        after(word, web=1)
    assert caught.value.exit_code == ExitCode.USAGE
    found = "There are 1." if "-" in word else "One machine runs at most 100 of a process type."
    assert caught.value.text() == (
        f"'{word}' is not a number of containers to start\n\n{found}\n\n"
        "Give a whole number from 0 to 100:\n\n    slug-run scale web=2"
    )


def test_more_containers_than_an_app_can_have() -> None:
    with pytest.raises(TooManyContainersError) as caught:
        after("web=100", "worker=100", "my-worker=1")
    assert caught.value.text() == (
        "That would be 201 containers; an app has at most 200\n\nNothing was changed."
    )


@pytest.mark.parametrize(("word", "nearest"), [("weeb=1", "web"), ("Web=1", "web")])
def test_an_unknown_type_suggests_the_nearest(word: str, nearest: str) -> None:
    with pytest.raises(UnknownProcessTypeError) as caught:
        after(word)
    assert caught.value.suggestion == nearest
    assert "release" not in caught.value.types


def test_release_is_no_part_of_a_formation() -> None:
    with pytest.raises(ReleaseTypeError):
        after("release=1")


def test_an_unknown_size_suggests_the_nearest() -> None:
    with pytest.raises(UnknownSizeError) as caught:
        parse_steps(["web=1:standard-3x"])
    assert caught.value.text().startswith(
        "There is no size called 'standard-3x'\n\nDid you mean standard-2x? Sizes: eco, basic, "
    )


def test_sizes_grow_in_everything_they_limit() -> None:
    for smaller, larger in zip(list(SIZES.values()), list(SIZES.values())[1:], strict=False):
        assert smaller.memory <= larger.memory
        assert smaller.cpu_weight <= larger.cpu_weight
        assert smaller.pids <= larger.pids
    assert find_size("").memory == 512 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "quota", "most"),
    [
        ("standard-1x", 512, 1024),
        ("standard-2x", 1024, 2048),
        ("performance-m", 2560, 5120),
        ("performance-l", 14336, 28672),
        ("performance-l-ram", 30720, 36864),
    ],
)
def test_a_container_is_killed_at_twice_its_quota_or_a_fifth_above_a_large_one(
    name: str, quota: int, most: int
) -> None:
    limits = find_size(name).limits
    assert limits.quota == quota << 20
    assert limits.memory == most << 20
    assert max(size.cpu_weight for size in SIZES.values()) <= 10000  # the kernel's limit


def test_what_changes_is_told_in_one_line() -> None:
    before = counts(web=1, worker=0)
    steps = parse_steps(["web=2", "worker=1:standard-2x", "my-worker=0"])
    found = {x.process_type: x for x in scaled(before, steps, TYPES)}
    line = "web 1 => 2, worker 0:standard-1x => 1:standard-2x"
    assert changes_line(before, found) == line
    assert changes_line(found, found) == ""


def test_what_a_release_lacks_is_told_and_left_out() -> None:
    formation = counts(web=1, gone=2, older=0)
    assert of_release(formation, TYPES) == counts(web=1)
    assert idle_notices("polls", formation, TYPES) == (
        "This release has no gone; gone=2 is kept for one that has it",
    )


@pytest.mark.parametrize("formation", [{}, counts(worker=0)])
def test_where_nothing_is_to_run_it_is_said_what_could(
    formation: Mapping[ProcessType, WantedCount],
) -> None:
    types = {ProcessType(x): "run it" for x in ("release", "worker", "clock")}
    assert idle_notices("polls", formation, types) == (
        "Nothing is to run. There is worker, clock: slug-run scale worker=1 --app polls",
    )
    assert idle_notices("polls", counts(clock=1), types) == ()
    assert idle_notices("polls", {}, {ProcessType("release"): "run it"}) == ()
    (told,) = idle_notices("polls", counts(web=0), {**types, ProcessType("web"): "run it"})
    assert told.endswith("There is web, worker, clock: slug-run scale web=1 --app polls")


def test_a_reset_leaves_one_web_of_the_first_size_and_no_container_of_other_types() -> None:
    before = scaled({}, parse_steps(["web=3:standard-2x", "worker=2"]), TYPES)
    current = {each.process_type: each for each in before}
    gone = WantedCount(process_type=ProcessType("gone"), quantity=4)
    current[gone.process_type] = gone  # of an earlier slug: its count is nobody's business
    after = scaled(current, reset_steps(current, TYPES), TYPES)
    assert formation_line(after) == "web=1:standard-1x gone=4:standard-1x worker=0:standard-1x"
    only_worker = {ProcessType("worker"): "x"}
    assert reset_steps({}, only_worker) == []


def test_a_reset_takes_no_quantities() -> None:
    assert ResetWithWordsError().text() == (
        "--reset takes no quantities\n\nIt sets one web and nothing else.\n\n"
        "Give one or the other:\n\n    slug-run scale --reset\n    slug-run scale web=2 worker=1"
    )
