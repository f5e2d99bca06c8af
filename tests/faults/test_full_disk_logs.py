"""A disk that is full while apps log: nobody stands still, what is lost is counted, then said."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.logbook.app_log import AppLog
from runner.logbook.reader import Filter, LogReader
from runner.logbook.store import Bounds
from tests.waiting import PATIENCE

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="mounts small file systems")

# Every SLUGKIT_FILL_STEP-th fill level is tried (8; 1 by hand).
STEP = int(os.environ.get("SLUGKIT_FILL_STEP", "8"))
LINES = 20_000
BOUNDS = Bounds(files=4, file_size=512 * 1024)  # 2 MiB and what spools need
LOST = re.compile(r"Error L10 \(output buffer overflow\): ([0-9,]+) lines? .* of web.1 dropped")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    at = tmp_path / "small"
    at.mkdir()
    options = "size=8m,nr_inodes=500"
    subprocess.run(("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)), check=True)
    yield at
    subprocess.run(("umount", "--lazy", str(at)), check=True)


def fill(at: Path, *, but: int) -> Path:
    """Leave ``but`` bytes of room."""
    path = at / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(path, max(0, path.stat().st_size - but))
    return path


def write_lines(pipe: int) -> None:
    with os.fdopen(pipe, "w") as stream:
        for number in range(LINES):
            stream.write(f"line {number} {'x' * 80}\n")


def follow(log: AppLog, pipe: int, *, rounds: int | None = None) -> bool:
    """Attend to the container; whether it goes on."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    while rounds is None or (rounds := rounds - 1) >= 0:
        assert poller.poll(10_000), "the container stands still"
        if not log.attend("k"):
            return False
    return True


def texts(directory: Path) -> list[str]:
    reader = LogReader(directory, Filter().wants)
    reader.start_at_last(10**9)
    found = [line.text for line in reader.lines()]
    reader.close()
    return found


@pytest.mark.parametrize("room", [4096 * pages for pages in range(0, 120, STEP)])
def test_a_container_is_never_held_up_and_every_line_is_logged_or_counted(
    small: Path, room: int
) -> None:
    log = AppLog(small / "log", bounds=BOUNDS)
    reader, writer = os.pipe()
    log.open_container("k", "web.1", reader)
    log.system("web.1", "State changed from starting to up")
    filler = fill(small, but=room)
    container = threading.Thread(target=write_lines, args=(writer,))
    container.start()
    assert not follow(log, reader), "it writes to its end though nothing can be kept"
    container.join(timeout=PATIENCE)
    log.system("web.1", "State changed from up to crashed")
    filler.unlink()
    assert log.settle()
    log.close_container("k")
    log.close()
    os.close(reader)
    found = texts(small / "log")
    kept = [text for text in found if text.startswith("line ")]
    lost = [int(match[1].replace(",", "")) for text in found if (match := LOST.match(text))]
    assert lost
    # A line that was cut where the room ended counts on both sides.
    assert LINES <= len(kept) + sum(lost) <= LINES + 2 * len(lost)
    assert found.count("State changed from up to crashed") == 1
    assert list((small / "log" / "spool").iterdir()) == []


def test_another_apps_log_is_unhurt(small: Path, tmp_path: Path) -> None:
    full, other = AppLog(small / "log"), AppLog(tmp_path / "other")
    reader, writer = os.pipe()
    full.open_container("k", "web.1", reader)
    fill(small, but=0)
    container = threading.Thread(target=write_lines, args=(writer,))
    container.start()
    going = True
    for number in range(50):
        other.system("web.1", f"note {number}")
        going = going and follow(full, reader, rounds=3)
    assert texts(tmp_path / "other") == [f"note {number}" for number in range(50)]
    while going:
        going = follow(full, reader, rounds=100)
    container.join(timeout=PATIENCE)
    full.close()
    other.close()
    os.close(reader)


def test_a_log_that_had_no_room_to_begin_begins_later(small: Path) -> None:
    filler = fill(small, but=4096)
    log = AppLog(small / "log")
    for number in range(100):
        log.system("api", f"note {number} {'x' * 100}")
    filler.unlink()
    assert log.settle()
    log.close()
    assert [text.split()[1] for text in texts(small / "log")] == [str(each) for each in range(100)]


def test_without_inodes_lines_are_kept_in_the_files_there_are(small: Path) -> None:
    log = AppLog(small / "log", bounds=Bounds(files=4, file_size=20_000))
    log.system("api", "first")
    made = 0
    with contextlib.suppress(OSError):
        while True:
            (small / f"empty{made}").touch()
            made += 1
    for number in range(200):
        log.system("api", f"note {number} {'x' * 50}")
    assert len(list((small / "log").glob("*.log"))) == 1
    for number in range(made):
        (small / f"empty{number}").unlink()
    log.system("api", "last")
    assert log.settle()
    log.close()
    assert len(texts(small / "log")) == 202
    assert len(list((small / "log").glob("*.log"))) > 1
