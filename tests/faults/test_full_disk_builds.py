"""The disk is full at any moment of a build: 73, nothing half-written, and it works with room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slugc.slug import read_slug, verify_slug
from tests.faults.tiny_builds import Tiny, digest, make_tiny

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="mounts small file systems")

# From nothing at all to enough; the tiny build needs about 1.4 MB and 60 inodes. Every
# SLUGKIT_FILL_STEP-th fill level is tried (8; 1 by hand).
STEP = int(os.environ.get("SLUGKIT_FILL_STEP", "8"))
SIZES = [f"size={size}k" for size in (*range(4, 1900, 64), 4000)]
INODES = [f"size=8m,nr_inodes={count}" for count in (*range(2, 64, 2), 200)]
ROOM = "size=64m,nr_inodes=50000"
LITTLE = 400 * 1024  # bytes that a build which failed may leave: directories, buildpacks, frames


@contextmanager
def file_system(at: Path, options: str) -> Iterator[None]:
    at.mkdir(exist_ok=True)
    subprocess.run(("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(at)), check=True)


def used(at: Path) -> int:
    found = os.statvfs(at)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


@pytest.fixture
def tiny(open_dir: Path) -> Tiny:
    return make_tiny(open_dir, open_dir / "small" / "home")


def test_no_room_for_a_first_build(tiny: Tiny) -> None:
    small, codes = tiny.root / "small", []
    levels = (*SIZES[::STEP], SIZES[-1], *INODES[::STEP], INODES[-1])
    for options in levels:
        with file_system(small, options):
            output = small / "app.slug"
            ended = tiny.build(output)
            codes.append(ended.code)
            assert ended.code in {0, 73}, f"{options}: {ended}"
            assert "Traceback" not in ended.stderr
            if ended.code:
                assert not output.exists()
                assert tiny.await_no_processes() == []
                assert used(small) < LITTLE, options
                assert tiny.leftovers() == []
            subprocess.run(("mount", "-o", f"remount,{ROOM}", str(small)), check=True)
            again = tiny.build(output)
            assert again.code == 0, f"{options}: {again}"
            verify_slug(read_slug(output))
            assert tiny.problems() == ()
    assert codes.count(73) > len(levels) / 2, "the levels are to be about the critical one"
    assert (codes[len(SIZES[::STEP])], codes[-1]) == (0, 0)


def test_no_room_for_the_next_build(tiny: Tiny) -> None:
    """The slug that is there stays as it is, and prune makes room."""
    small = tiny.root / "small"
    with file_system(small, ROOM):
        output = small / "app.slug"
        assert tiny.build(output).code == 0
        before = digest(output)
        (tiny.app / "main.txt").write_text("another\n")
        for left in (0, 20_000, 100_000, 300_000):
            space = (used(small) + left) // 1024
            subprocess.run(("mount", "-o", f"remount,size={space}k", str(small)), check=True)
            ended = tiny.build(output)
            assert ended.code == 73, f"{left}: {ended}"
            assert digest(output) == before
            assert tiny.await_no_processes() == []
        pruned = tiny.slugc("prune", "--older-than", "0")
        assert pruned.code == 0, pruned
        assert "build caches: 1 " in pruned.stdout
        subprocess.run(("mount", "-o", f"remount,{ROOM}", str(small)), check=True)
        assert tiny.build(output).code == 0
        assert digest(output) != before
        assert tiny.problems() == ()


def test_a_buildpack_without_room_is_told_as_such(tiny: Tiny) -> None:
    with file_system(tiny.root / "small", "size=300k"):
        ended = tiny.build(tiny.root / "app.slug")
    assert ended.code == 73
    assert "No space left on device" in ended.stderr
    assert "Make some there, or set SLUGKIT_HOME to another directory: slugc prune" in ended.stderr
