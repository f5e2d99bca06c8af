"""How much a build may use: sizes, defaults, groups on trees made by hand, and the words."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from buildpack.support.hierarchies import Hierarchies
from slugc.sandbox import disk_watch
from slugc.sandbox.build_group import BuildGroup, Counts, reached, sweep
from slugc.sandbox.disk_watch import DiskWatch, Room, used_room
from slugc.sandbox.limits import (
    BuildLimits,
    SizeError,
    disk_reached,
    files_reached,
    parse_size,
    shown_size,
    soft_limits,
    soft_prefix,
)

GIB = 1 << 30
NOTHING = Counts(killed=0, refused=0)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2G", 2 * GIB),
        ("512M", GIB // 2),
        ("1.5GiB", 3 * GIB // 2),
        ("1073741824", GIB),
        ("2gb", 2 * GIB),
    ],
)
def test_sizes_are_read_with_and_without_units(text: str, size: int) -> None:
    assert parse_size(text, "--memory") == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1X", "1M", "lots", "1e9"])
def test_what_is_no_size_is_told_with_the_flag(text: str) -> None:
    with pytest.raises(SizeError) as caught:
        parse_size(text, "--memory")

    assert caught.value.exit_code == 64
    assert caught.value.text() == (
        f"'{text}' is not a size --memory can take\n\n"
        "At least 16M, for example:\n\n    slugc build --memory 2G"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(2 * GIB, "2G"), (512 << 20, "512M"), (3 * GIB // 2, "1.5G"), (2048, "2K"), (7, "7")],
)
def test_sizes_are_shown_as_they_would_be_typed(size: int, text: str) -> None:
    assert shown_size(size) == text


def test_where_nobody_asked_there_are_defaults_but_for_processors() -> None:
    assert BuildLimits(cpus=1.5).with_defaults(10 * GIB) == BuildLimits(
        memory=9 * GIB, cpus=1.5, processes=4096
    )
    asked = BuildLimits(memory=GIB, processes=5)
    assert asked.with_defaults(10 * GIB) == asked


def make_group(root: Path, limits: BuildLimits) -> BuildGroup:
    tops = {name: root / name for name in ("memory", "pids", "cpu")}
    for top in tops.values():
        top.mkdir(exist_ok=True)
    return BuildGroup(Hierarchies(v2=None, v1=tops), limits)


def test_a_build_enters_its_groups_before_anything_else(tmp_path: Path) -> None:
    group = make_group(tmp_path, BuildLimits(memory=GIB, cpus=0.5, processes=9))

    (made,) = (tmp_path / "memory/slugkit/builds").iterdir()
    assert made.name.startswith(f"{os.getpid()}-")
    assert (made / "memory.limit_in_bytes").read_text() == str(GIB)
    pids = tmp_path / "pids/slugkit/builds" / made.name
    assert (pids / "pids.max").read_text() == "9"
    assert group.prefix[:2] == ("sh", "-c")
    assert group.prefix[4:6] == (str(made / "tasks"), str(pids / "tasks"))
    assert group.prefix[-1] == "--"


def test_groups_of_builds_that_are_gone_are_swept(tmp_path: Path) -> None:
    builds = tmp_path / "memory/slugkit/builds"
    for name in ("11-7-dead", "22-7-alive", "33-7-full/child", "44-8-elsewhere", "other"):
        (builds / name).mkdir(parents=True)
    (tmp_path / "proc/22").mkdir(parents=True)
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[7]")

    sweep(Hierarchies(v2=None, v1={"memory": tmp_path / "memory"}), tmp_path / "proc")

    left = ["22-7-alive", "33-7-full", "44-8-elsewhere", "other"]
    assert sorted(path.name for path in builds.iterdir()) == left


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (
            Counts(killed=1, refused=3),
            "The build was stopped at its memory limit of 2G (--memory)\n\n"
            "bin/compile needed more, and the kernel ended a process of it.\n\nlast words\n\n"
            "Allow it more with --memory, or find out what uses so much.",
        ),
        (
            Counts(killed=0, refused=1),
            "The build was stopped at its limit of 64 processes (--processes)\n\n"
            "bin/compile started more processes and threads at a time, and failed when\n"
            "one was refused.\n\nlast words\n\n"
            "Allow it more with --processes, or find out what uses so much.",
        ),
    ],
)
def test_a_limit_that_was_hit_is_named_with_its_flag(after: Counts, text: str) -> None:
    limits = BuildLimits(memory=2 * GIB, processes=64)

    error = reached(NOTHING, after, limits, phase="bin/compile", said="last words")

    assert error is not None
    assert error.exit_code == 65
    assert error.text() == text


def test_what_happened_in_an_earlier_phase_explains_nothing() -> None:
    before = Counts(killed=1, refused=1)

    assert reached(before, before, BuildLimits(memory=1, processes=1), phase="p", said="") is None


def test_the_words_for_too_many_files() -> None:
    assert files_reached("bin/compile", 2_000_000).text() == (
        "The build was stopped at its limit of 2,000,000 files (--files)\n\n"
        "bin/compile left more files and directories than that in the build dir, the cache,\n"
        "HOME and /tmp.\n\n"
        "Allow it more with --files, or find out what uses so much."
    )


def test_the_words_for_a_full_disk() -> None:
    assert disk_reached("bin/compile", 50 << 20).text() == (
        "The build was stopped at its disk limit of 50M (--disk)\n\n"
        "bin/compile left more than that in the build dir, the cache, HOME and /tmp;\n"
        "files that are deleted and still open count, too.\n\n"
        "Allow it more with --disk, or find out what uses so much."
    )


@pytest.mark.parametrize(
    ("limits", "has_group", "said"),
    [
        (BuildLimits(), False, None),
        (BuildLimits(disk=1), False, None),
        (BuildLimits(memory=GIB), True, None),
        (
            BuildLimits(memory=GIB),
            False,
            "Limits are soft here, for each process instead of the whole build: no cgroup\n"
            "access (start as root, or with systemd-run --user --scope -p Delegate=yes)",
        ),
        (
            BuildLimits(cpus=1),
            False,
            "Limits are soft here, for each process instead of the whole build; the CPU limit "
            "does not hold at all: no cgroup\n"
            "access (start as root, or with systemd-run --user --scope -p Delegate=yes)",
        ),
    ],
)
def test_limits_that_do_not_hold_are_said_to_who_asked(
    limits: BuildLimits, has_group: bool, said: str | None
) -> None:
    assert soft_limits(limits, has_group=has_group) == said


def test_soft_limits_stand_in_for_each_process() -> None:
    limits = BuildLimits(memory=GIB, processes=9, cpus=1)

    assert soft_prefix(limits) == ("prlimit", f"--data={GIB}", "--nproc=9", "--")
    assert soft_prefix(BuildLimits(cpus=1)) == ()


def test_a_file_with_two_names_takes_its_room_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100_000))
    once = used_room(tmp_path)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b").hardlink_to(tmp_path / "a")

    assert 100_000 <= once.size < 120_000
    assert once.files == 1
    assert used_room(tmp_path).size < once.size + 20_000
    assert used_room(tmp_path).files == 2


@pytest.mark.parametrize(
    ("limits", "at", "what"),
    [
        (BuildLimits(disk=500, files=500), 0, "disk limit of 500 (--disk)"),
        (BuildLimits(disk=500, files=500), 1, "limit of 500 files (--files)"),
        (BuildLimits(), 1, "limit of 900 files (--files)"),  # nine tenths of what is free
        (BuildLimits(disk=9999), 1, "limit of 900 files (--files)"),
    ],
)
def test_the_watch_counts_before_it_ends_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: BuildLimits, at: int, what: str
) -> None:
    """Others write on the same file system too."""
    free = [_of(at, left, 1000) for left in (1000, 400, 100, 50, 0, 1000, 0)]
    ended = threading.Event()
    monkeypatch.setattr(disk_watch, "_EVERY", 0.001)
    monkeypatch.setattr(
        disk_watch, "free_room", lambda _path: free.pop(0) if len(free) > 1 else free[0]
    )
    used = [_of(at, 200, 0), _of(at, 901, 0)]
    monkeypatch.setattr(disk_watch, "used_room", lambda _path: used.pop(0))

    watch = DiskWatch((tmp_path,), limits, ended.set)

    assert ended.wait(30)
    assert used == []
    assert watch.stop()
    why = watch.reached("bin/compile")
    assert why is not None
    assert why.brief == f"The build was stopped at its {what}"


def _of(at: int, count: int, other: int) -> Room:
    """So many bytes or, at 1, files."""
    return Room(count, other) if at == 0 else Room(other, count)


def test_files_of_a_file_system_that_does_not_count_them_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = threading.Semaphore(0)

    def look(_path: Path) -> Room:
        looks.release()
        return Room(1000, 0)

    monkeypatch.setattr(disk_watch, "_EVERY", 0.001)
    monkeypatch.setattr(disk_watch, "free_room", look)
    watch = DiskWatch((tmp_path,), BuildLimits(), lambda: None)

    for _ in range(3):
        assert looks.acquire(timeout=30)
    assert not watch.stop()
    assert watch.reached("bin/compile") is None


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (BuildLimits(disk=500), "disk limit of 500 (--disk)"),
        (BuildLimits(disk=5000, files=5), "limit of 5 files (--files)"),
    ],
)
def test_a_phase_that_was_over_before_the_first_look_is_looked_at_when_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: BuildLimits, what: str
) -> None:
    free = [Room(1000, 1000), Room(100, 990)]
    monkeypatch.setattr(disk_watch, "_EVERY", 3600)
    monkeypatch.setattr(disk_watch, "free_room", lambda _path: free.pop(0))
    monkeypatch.setattr(disk_watch, "used_room", lambda _path: Room(900, 10))
    watch = DiskWatch((tmp_path,), limits, lambda: None)

    why = watch.reached("bin/detect")

    assert why is not None
    assert why.brief == f"The build was stopped at its {what}"
    watch.stop()


@pytest.mark.parametrize(("limit", "is_reached"), [(3, False), (2, True)])
def test_where_a_file_system_counts_no_files_those_of_the_build_are_counted_if_it_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, is_reached: bool
) -> None:
    monkeypatch.setattr(disk_watch, "_EVERY", 3600)
    monkeypatch.setattr(disk_watch, "free_room", lambda _path: Room(1_000_000, 0))
    (tmp_path / "left by an earlier build").touch()
    watch = DiskWatch((tmp_path,), BuildLimits(files=limit), lambda: None)
    for name in "abc":
        (tmp_path / name).touch()

    why = watch.reached("bin/compile")

    assert (why is not None) is is_reached
    if why is not None:
        assert why.brief == f"The build was stopped at its limit of {limit} files (--files)"
    watch.stop()
