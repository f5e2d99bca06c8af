"""A seal is broken by everything that could make a tree another one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack.support import seals
from buildpack.support.seals import ANY, Seal, decode_seal, is_unbroken, seal_entries


@pytest.fixture(autouse=True, params=[False, True], ids=["alone", "two processes"])
def _processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(seals, "WORTH_A_PROCESS", 0)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "lib" / "package").mkdir(parents=True)
    (top / "lib" / "package" / "module.py").write_bytes(b"1")
    (top / "lib" / "link").symlink_to("package")
    (top / "config").write_bytes(b"1")
    return top


def sealed(top: Path) -> Seal:
    seal = seal_entries(
        top, [b"lib", b"lib/package", b"lib/package/module.py", b"lib/link"], [b"config"]
    )
    seal.wait()
    return seal


def test_an_untouched_tree_is_unbroken_also_after_it_was_moved(top: Path) -> None:
    seal = sealed(top)
    moved = top.rename(top.with_name("moved"))
    assert is_unbroken(moved, seal)


def test_what_was_encoded_is_decoded(top: Path) -> None:
    found = decode_seal(sealed(top).encoded())
    assert found is not None
    assert is_unbroken(top, found)


def _replace_with_same_bytes_and_times(top: Path) -> None:
    old = top / "lib/package/module.py"
    times = old.stat()
    new = top / "lib/package/new"
    new.write_bytes(b"1")
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.rename(old)


def _write_and_set_the_old_times(top: Path) -> None:
    path = top / "lib/package/module.py"
    times = path.stat()
    path.write_bytes(b"2")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _add_and_remove(top: Path) -> None:
    (top / "lib/package/new").touch()
    (top / "lib/package/new").unlink()


def _swap_a_directory(top: Path) -> None:
    (top / "lib").rename(top / "old")
    (top / "lib").mkdir()


def _replace_at_the_top(top: Path) -> None:
    (top / "new").write_bytes(b"1")
    (top / "new").rename(top / "config")


def _link_in_the_place_of_the_top(top: Path) -> None:
    top.rename(top.with_name("elsewhere"))
    top.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "tamper",
    [
        lambda top: (top / "lib/package/new.py").touch(),
        lambda top: (top / "lib/package/module.py").unlink(),
        lambda top: (top / "new").touch(),
        lambda top: (top / "config").unlink(),
        lambda top: (top / "lib/package/module.py").chmod(0o755),
        _replace_with_same_bytes_and_times,
        _write_and_set_the_old_times,
        _add_and_remove,
        _swap_a_directory,
        _replace_at_the_top,
        _link_in_the_place_of_the_top,
    ],
)
def test_any_change_breaks_the_seal(top: Path, tamper: Callable[[Path], object]) -> None:
    seal = sealed(top)
    tamper(top)
    assert not is_unbroken(top, seal)


def test_another_link_to_a_file_sealed_by_its_inode_breaks_nothing(
    top: Path, tmp_path: Path
) -> None:
    seal = sealed(top)
    os.link(top / "config", tmp_path / "other")
    assert is_unbroken(top, seal)


def test_a_tree_that_is_not_there_has_no_seal(top: Path) -> None:
    assert not is_unbroken(top / "missing", sealed(top))


@pytest.mark.parametrize(
    "data", [b"", b"SKSEAL1\n", b"x" * 24, b"SKSEAL1\n" + b"\0" * 15 + b"\x01"]
)
def test_other_bytes_are_no_seal(data: bytes) -> None:
    assert decode_seal(data) is None


def test_a_seal_that_was_cut_is_none(top: Path) -> None:
    data = sealed(top).encoded()
    assert decode_seal(data[:-1]) is None
    assert decode_seal(data + b"\0") is None


def test_waiting_ends_when_the_tick_of_the_last_change_is_over(top: Path) -> None:
    seal = seal_entries(top, [b"lib"], [b"config"])
    seal.wait()
    assert time.time_ns() >= max(seal.changed) + 20_000_000


def test_whole_seconds_are_waited_for_longer() -> None:
    coarse = Seal(paths=(b"a",), inodes=(1,), changed=(5_000_000_000,))
    fine = Seal(paths=(b"a",), inodes=(1,), changed=(5_000_000_001,))
    assert coarse.safe_after == 7_000_000_000
    assert fine.safe_after == 5_020_000_001


def test_entries_whose_time_does_not_count_decide_no_waiting() -> None:
    seal = Seal(paths=(b"a", b"b"), inodes=(1, 2), changed=(5_000_000_000, ANY))
    assert seal.safe_after == 7_000_000_000
