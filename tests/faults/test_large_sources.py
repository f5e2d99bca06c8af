"""Sources of many, large and hollow files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slugc.privileges import run_identity
from slugc.sources.errors import SourceTooLargeError
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.staging import Stager
from tests.faults.bad_sources import MIB
from tests.integration.build_support import Outcome
from tests.waiting import PATIENCE


@pytest.fixture
def fast_dir() -> Iterator[Path]:
    """In memory where there is room for it: a disk takes a minute for so many files."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.statvfs(shared).f_favail > 1_000_000
    with tempfile.TemporaryDirectory(dir=shared if roomy else None) as name:
        yield Path(name)


def test_two_hundred_thousand_tiny_files_fit_and_one_more_does_not(fast_dir: Path) -> None:
    source, target = fast_dir / "many", fast_dir / "build"
    target.mkdir()
    for directory in range(199):
        (source / f"d{directory:03}").mkdir(parents=True)
        for number in range(1004):
            os.close(os.open(f"{source}/d{directory:03}/{number}", os.O_CREAT | os.O_WRONLY))
    for number in range(5):
        (source / f"last{number}").write_text("x")
    assert peak_of(source, target) < 150 * MIB
    assert (target / "last4").exists()

    (source / "a").touch()  # comes before all others, so the last one is one too many
    (fast_dir / "again").mkdir()
    with pytest.raises(SourceTooLargeError) as caught:
        Stager(rules=IgnoreRules(), owner=run_identity()).copy(source, fast_dir / "again")
    assert caught.value.brief == (
        "The source is larger than a slug may be: 200,001 entries, 200,000 are allowed"
    )
    assert len(caught.value.weight.biggest) == 10


STAGE_AND_PACK = """
import re, sys
from pathlib import Path
from slugc.privileges import run_identity
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.staging import Stager
source, target, pack = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
Stager(rules=IgnoreRules(), owner=run_identity()).copy(source, target)
if pack:
    from slugc.packing.slug_writer import write_slug
    from slugc.store import Store
    from tests.unit.slugc.trees import FACTS
    write_slug(target, Path(pack[0]), facts=FACTS, store=Store(Path(pack[1])))
# Not getrusage: that is inherited from whoever started us (setmax_mm_hiwater_rss in fs/exec.c).
peak = re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) * 1024)
"""


def peak_of(source: Path, target: Path, *pack: Path) -> int:
    """Bytes of memory that copying ``source`` (and packing it) took, in a process of its own."""
    argv = [sys.executable, "-c", STAGE_AND_PACK, str(source), str(target), *map(str, pack)]
    done = subprocess.run(
        argv,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_file_of_two_gigabytes_is_streamed(open_dir: Path) -> None:
    source, target = open_dir / "app", open_dir / "build"
    source.mkdir()
    target.mkdir()
    with (source / "data.bin").open("wb") as file:
        for number in range(8):  # noise here and there: neither all hole nor all data
            file.seek(number * 250 * 1000 * 1000)
            file.write(os.urandom(MIB))
        file.truncate(2_000_000_000)
    assert peak_of(source, target, open_dir / "x.slug", open_dir / "store") < 150 * MIB
    copy = (target / "data.bin").stat()
    assert copy.st_size == 2_000_000_000
    assert copy.st_blocks * 512 < 20 * MIB  # the holes came along as holes
    assert (open_dir / "x.slug").stat().st_size < 10 * MIB


@pytest.mark.parametrize("size", [3 * 1000**3, 1024**4])
def test_a_file_larger_than_a_slug_is_refused_before_it_is_read(
    build: Callable[..., Outcome], app: Path, size: int
) -> None:
    (app / "data").mkdir()
    with (app / "data" / "disk.img").open("wb") as file:
        file.truncate(size)
        file.write(b"x")
    started = time.monotonic()
    outcome = build(app)
    assert time.monotonic() - started < PATIENCE
    assert outcome.code == 65
    assert f"data/disk.img is sparse: {size:,} bytes, of which 4,096 are on" in outcome.stderr
    assert f"{size + 6:,} bytes, 2,147,483,648 are allowed" in outcome.stderr
    assert f"{size / 1e6:12,.1f} MB          1 entries  data\n" in outcome.stderr


def test_a_slug_larger_than_asked_for_names_the_ten_biggest_directories(
    build: Callable[..., Outcome], app: Path
) -> None:
    for number in range(12):
        (app / f"dir{number:02}").mkdir()
        (app / f"dir{number:02}" / "noise").write_bytes(os.urandom(20_000 + number * 1000))
    outcome = build(app, "--max-size", "100K")
    assert outcome.code == 65
    assert "packed bytes, 100,000 are allowed" in outcome.stderr
    assert outcome.stderr.count(" MB  dir") == 10
    assert "dir11" in outcome.stderr
    assert "dir00" not in outcome.stderr
    assert "slugc build --max-size" in outcome.stderr
    assert build(app, "--max-size", "1M", "--warn-size", "100K").stderr.count("larger than") == 1
