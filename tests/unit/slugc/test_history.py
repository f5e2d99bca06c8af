"""Builds that are remembered: whole, bounded, in the order they happened."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from buildpack.support.values import changed
from slugc import history
from slugc.history import BuildRecord, find_build, forget_output, note_build, read_builds
from slugc.sources.left_out import LeftOut
from slugc.timeline import BuildStep, Timeline

CHECKSUM = "sha256:" + "ab" * 32
RECORD = BuildRecord(
    checksum=CHECKSUM,
    name="polls",
    app="polls",
    archive="/apps/polls.slug",
    built_at="2026-11-22T08:00:00Z",
    duration=1.25,
    size=1234,
    sandbox="embedded",
    stack="debian-12",
    commit=None,
    buildpacks=("Python",),
    python_version="3.13.0",
    process_types=("web", "worker"),
    steps=(BuildStep(name="stage", started=0.0, duration=0.5),),
    reused=("runtime",),
    left_out=LeftOut(reasons={"a.md": ".slugignore:1 `*.md`"}, count=2),
    source="/apps/polls",
)


def numbered(number: int, *, archive: str = "/apps/polls.slug") -> BuildRecord:
    return changed(RECORD, checksum=f"sha256:{number:064x}", archive=archive)


def test_a_record_comes_back_as_it_was_noted(tmp_path: Path) -> None:
    note_build(tmp_path, RECORD)
    assert read_builds(tmp_path) == (RECORD,)


def test_no_builds_yet(tmp_path: Path) -> None:
    assert read_builds(tmp_path) == ()
    assert find_build(tmp_path, CHECKSUM) is None


def test_newest_first_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_build(tmp_path, numbered(1))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    note_build(tmp_path, numbered(2))
    assert read_builds(tmp_path) == (numbered(2), numbered(1))


def test_a_path_of_any_bytes(tmp_path: Path) -> None:
    record = changed(RECORD, archive=os.fsdecode(b"/apps/\xff\n.slug"))
    note_build(tmp_path, record)
    assert read_builds(tmp_path) == (record,)


def test_find_build_by_checksum(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        note_build(tmp_path, numbered(number))
    assert find_build(tmp_path, numbered(2).checksum) == numbered(2)
    assert find_build(tmp_path, CHECKSUM) is None


def test_only_so_many_of_one_output_are_kept(tmp_path: Path) -> None:
    other = numbered(0, archive="/other.slug")
    note_build(tmp_path, other)
    for number in range(1, history.KEPT_OF_ONE + 6):
        note_build(tmp_path, numbered(number))
    found = read_builds(tmp_path)
    assert len(found) == history.KEPT_OF_ONE + 1
    assert found[0].checksum == numbered(history.KEPT_OF_ONE + 5).checksum
    assert found[-1] == other


def test_only_so_many_are_kept_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 5)
    for number in range(8):
        note_build(tmp_path, numbered(number, archive=f"/apps/{number}.slug"))
    assert [record.archive for record in read_builds(tmp_path)] == [
        f"/apps/{number}.slug" for number in (7, 6, 5, 4, 3)
    ]


def test_all_builds_of_an_output_are_forgotten_and_no_others(tmp_path: Path) -> None:
    for number in (1, 2):
        note_build(tmp_path, numbered(number))
    note_build(tmp_path, numbered(3, archive="/apps/other.slug"))
    forget_output(tmp_path, numbered(1).archive)
    assert [record.archive for record in read_builds(tmp_path)] == ["/apps/other.slug"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"checksum": 3}'])
def test_what_is_illegible_is_passed_over(tmp_path: Path, content: bytes) -> None:
    note_build(tmp_path, numbered(1))
    note_build(tmp_path, numbered(2))
    newest = max((tmp_path / "builds").iterdir())
    newest.write_bytes(content)
    assert read_builds(tmp_path) == (numbered(1),)
    note_build(tmp_path, numbered(3))
    assert read_builds(tmp_path) == (numbered(3), numbered(1))


def test_records_are_nobody_elses_business(tmp_path: Path) -> None:
    note_build(tmp_path, RECORD)
    builds = tmp_path / "builds"
    assert stat.S_IMODE(builds.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in builds.iterdir()] == [0o600]


def test_a_record_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    for number in range(200):
        note_build(tmp_path, numbered(number, archive=f"/apps/{number}.slug"))
    took = []
    for number in range(20):
        started = time.thread_time()  # whatever else this machine does
        note_build(tmp_path, numbered(number))
        took.append(time.thread_time() - started)
    assert min(took) < 0.001


def test_timeline_orders_steps_by_when_they_began() -> None:
    timeline = Timeline()
    with timeline.step("outer"):
        assert timeline.timed("inner", lambda: 7)() == 7
    assert [step.name for step in timeline.steps] == ["outer", "inner"]
    outer, inner = timeline.steps
    assert outer.duration >= inner.duration >= 0


def test_a_step_may_have_begun_before() -> None:
    timeline = Timeline()
    begun = timeline.elapsed
    with timeline.step("wait"):
        pass
    with timeline.step("pack", since=begun):
        pass
    pack, wait = timeline.steps
    assert (pack.name, pack.started) == ("pack", begun)
    assert pack.started + pack.duration >= wait.started + wait.duration


def test_a_step_that_fails_is_measured_too() -> None:
    timeline = Timeline()
    with pytest.raises(ValueError, match="no"), timeline.step("pack"):
        raise ValueError("no")
    assert [step.name for step in timeline.steps] == ["pack"]
