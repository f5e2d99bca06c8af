"""Files without a name count for whoever holds them: they take a disk's room as others do."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slugc.sandbox.open_files import nameless_room

SIZE = 1 << 20
MAPS = 64 * 1024  # at the most: blocks in which a file system notes where a file's blocks lie
HOLD = f"""\
import ctypes, os, sys
kind, place = sys.argv[1:3]
path = os.path.join(place, "f")
held = os.open(path, os.O_RDWR | os.O_CREAT)
os.write(held, bytes({SIZE}))
if kind != "named":
    os.unlink(path)
if kind == "twice":
    again = os.dup(held)
if kind == "mapped":
    mmap = ctypes.CDLL(None).mmap
    mmap.argtypes = [ctypes.c_void_p, *[ctypes.c_size_t] * 5]
    mmap(None, 4096, 1, 1, held, 0)
    os.close(held)
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(kind: str, place: Path, *before: str) -> Iterator[int]:
    argv = (*before, sys.executable, "-c", HOLD, kind, os.fspath(place))
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.stdin.close()


@pytest.mark.parametrize(("kind", "size"), [("open", SIZE), ("twice", SIZE), ("named", 0)])
def test_a_deleted_file_that_is_open_counts_once(tmp_path: Path, kind: str, size: int) -> None:
    with holding(kind, tmp_path) as pid:
        found = nameless_room([pid], tmp_path)
        assert found.size == pytest.approx(size, abs=MAPS)
        assert found.files == int(size > 0)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may look up what a process has mapped")
def test_a_deleted_file_that_is_mapped_counts(tmp_path: Path) -> None:
    with holding("mapped", tmp_path) as pid:
        found = nameless_room([pid], tmp_path)
        assert found.size == pytest.approx(SIZE, abs=MAPS)
        assert found.files == 1


def test_what_descends_from_a_process_counts_and_nobody_else(tmp_path: Path) -> None:
    with holding("open", tmp_path, "sh", "-c", '"$@"; :', "sh") as shell:
        found = nameless_room([shell], tmp_path)
        assert found.size == pytest.approx(SIZE, abs=MAPS)
        assert found.files == 1
        assert nameless_room([], tmp_path) == (0, 0)


def test_another_file_system_does_not_count(tmp_path: Path) -> None:
    with holding("open", tmp_path) as pid:
        assert nameless_room([pid], Path("/proc")) == (0, 0)


def test_who_has_ended_holds_nothing(tmp_path: Path) -> None:
    with holding("open", tmp_path) as pid:
        pass
    assert nameless_room([pid], tmp_path) == (0, 0)
