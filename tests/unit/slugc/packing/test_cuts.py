"""Where a layer is cut, and how little moves when it changes."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from slugc.archive.headers import MemberKind
from slugc.archive.scan import Entry
from slugc.packing import cuts
from slugc.packing.cuts import PART, PARTS, SPLIT, cut_layer, tar_size

KIB = 1024
SITE = ".heroku/venv/lib/python3.13/site-packages"


def entries_of(files: dict[str, int]) -> tuple[Entry, ...]:
    """What a scan of a tree with files of these sizes gives."""
    found: dict[tuple[bytes, ...], Entry] = {}
    for name, size in files.items():
        path = tuple(name.encode().split(b"/"))
        for depth in range(1, len(path)):
            found[path[:depth]] = Entry(path=path[:depth], kind=MemberKind.DIRECTORY)
        found[path] = Entry(path=path, kind=MemberKind.FILE, size=size)
    return tuple(found[path] for path in sorted(found))


def distribution(name: str, size: int) -> dict[str, int]:
    """A package of files of 16 KiB, and what pip notes of it."""
    modules = {f"{SITE}/{name}/{n:04}.py": 16 * KIB for n in range(size // (16 * KIB))}
    return {**modules, f"{SITE}/{name}-1.0.dist-info/RECORD": 3000}


def environment(count: int = 45) -> dict[str, int]:
    """A virtualenv of some 90 MB; the sizes are what random numbers with a seed say."""
    numbers = random.Random(45)
    files = {".heroku/venv/bin/python": 10, ".heroku/venv/pyvenv.cfg": 60}
    for number in range(count):
        files |= distribution(f"dist{number:02}", int(numbers.paretovariate(1) * 200 * KIB))
    return files


def names(frame: Iterable[Entry]) -> frozenset[bytes]:
    return frozenset(b"/".join(entry.path) for entry in frame)


def test_a_small_layer_is_one_frame_in_packing_order() -> None:
    entries = entries_of(distribution("flask", 4 * 1024 * KIB))
    assert cut_layer(entries) == (entries,)


def test_an_empty_layer_is_one_empty_frame() -> None:
    assert cut_layer(()) == ((),)


def test_every_entry_lies_in_one_frame_behind_its_directory() -> None:
    entries = entries_of(environment())
    frames = cut_layer(entries)
    assert len(frames) > 20
    ordered = [entry for frame in frames for entry in frame]
    assert sorted(ordered) == sorted(entries)
    seen: set[tuple[bytes, ...]] = {()}
    for entry in ordered:
        assert entry.path[:-1] in seen
        if entry.kind is MemberKind.DIRECTORY:
            seen.add(entry.path)
    for frame in frames:
        assert list(frame) == sorted(frame)


def test_a_large_distribution_is_a_frame_of_its_own() -> None:
    files = environment() | distribution("pillow", 5 * 1024 * KIB)
    frames = [names(frame) for frame in cut_layer(entries_of(files))]
    top = f"{SITE}/pillow".encode()
    (own,) = [frame for frame in frames if top in frame]
    assert all(name == top or name.startswith(top + b"/") for name in own)


def test_one_distribution_more_is_its_own_frame_and_that_of_its_neighbours() -> None:
    before = {names(frame) for frame in cut_layer(entries_of(environment()))}
    for name in ("added", "dist07a", "zope"):
        more = environment() | distribution(name, 600 * KIB)
        after = {names(frame) for frame in cut_layer(entries_of(more))}
        # its package; and the group with its dist-info, which may come to be cut in two
        assert len(after - before) <= 3
        assert len(before - after) <= 1


def test_small_parts_are_grouped_and_the_groups_stay_small() -> None:
    files = {f"data/{number:05}.json": 1000 for number in range(60_000)}
    entries = entries_of(files)
    frames = cut_layer(entries)
    sizes = [sum(map(tar_size, frame)) for frame in frames]
    assert max(sizes) <= 16 * PART
    assert min(sizes[:-1]) >= 4 * PART
    before = {names(frame) for frame in frames}
    after = {names(frame) for frame in cut_layer(entries_of(files | {"data/30000a.json": 1000}))}
    assert len(after - before) <= 2


def test_a_layer_of_any_size_has_a_bounded_number_of_frames() -> None:
    for size in (PART, 4 * PART):
        files = {f"{number:04}.bin": size for number in range(2 * PARTS)}
        assert PARTS / 32 < len(cut_layer(entries_of(files))) <= PARTS


@pytest.mark.parametrize("excess", [-1, 1])
def test_a_directory_is_split_when_it_is_too_large_for_a_frame(excess: int) -> None:
    per_file = SPLIT * PART // 32
    files = {f"top/{number:02}": per_file - 512 for number in range(32)}
    files["top/00"] += -512 + excess * 512  # less the directory's own block
    assert (len(cut_layer(entries_of(files))) > 1) == (excess > 0)


def test_the_rule_is_the_documented_one() -> None:
    """docs/slug-format.md tells these numbers; other ones are other frames, and another PACKER."""
    numbers = (cuts.PART, cuts.PARTS, cuts.SPLIT, cuts.GROUP, cuts.ENDS)
    assert numbers == (256 * KIB, 1024, 64, (4, 16), 8)
