"""An app that writes more than anybody wants, and not text: bounded memory, bounded files.

SLUGKIT_FLOOD says how many MB each kind of flood is (48; 1000 by hand).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runner.logbook.reader import Filter, LogReader
from runner.logbook.shown import Formatter
from runner.logbook.store import Bounds
from runner.logs import CUT_MARK, MAX_LINE

FLOOD = int(os.environ.get("SLUGKIT_FLOOD", "48")) * 1_000_000
MOST_MEMORY = 40  # MiB
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")  # all but the tab

FLOODS = {
    "no line end": "head -c {size} /dev/zero",
    "lines of 10 MB": "head -c {size} /dev/zero | tr '\\0' x | fold -b -w 10000000",
    "binary": "head -c {size} /dev/urandom",
    "escape sequences": "yes \"$(printf '\\033[2J\\033]0;title\\007\\033[31m')\" | head -c {size}",
    "short lines": "yes | head -c {size}",
    "nothing but line ends": "yes '' | head -c {size}",
}

# What a supervisor does, in a process of its own, so that its memory is its own: the flood comes
# from standard input, a word now and then from its neighbour. Prints the most memory, in MiB.
SUPERVISE = """
import os, select, sys
from pathlib import Path
from runner.logbook.app_log import AppLog
pipes = {0: "k1"}
reader, writer = os.pipe()
poller = select.poll()
poller.register(0, select.POLLIN)
with AppLog(Path(sys.argv[1])) as log:
    log.open_container("k1", "web.1", 0)
    log.open_container("k2", "worker.1", reader)
    rounds = 0
    while poller.poll() and log.attend("k1"):
        rounds += 1
        if rounds % 100 == 0:
            os.write(writer, b"alive\\n")
            assert log.attend("k2")
    os.write(writer, b"alive at the end\\n")
    log.close_container("k1")
    log.close_container("k2")
found = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(int(found) / 1024)
"""


def supervise(directory: Path, flood: str) -> float:
    reader, writer = os.pipe()
    with subprocess.Popen(("sh", "-c", flood.format(size=FLOOD)), stdout=writer):
        os.close(writer)
        done = subprocess.run(
            (sys.executable, "-c", SUPERVISE, str(directory)),
            stdin=reader, capture_output=True, check=True, timeout=60 + FLOOD / 1e7,
        )  # fmt: skip
        os.close(reader)
    return float(done.stdout)


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_costs_neither_memory_nor_disk_nor_other_lines(kind: str, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    assert supervise(directory, FLOODS[kind]) < MOST_MEMORY
    files = list(directory.glob("*.log"))
    bounds = Bounds()
    assert len(files) <= bounds.files
    assert sum(path.stat().st_size for path in files) < bounds.files * bounds.file_size * 1.01
    assert list((directory / "spool").iterdir()) == []
    reader = LogReader(directory, Filter(names=("worker.1",)).wants)
    reader.start_at_last(1)
    assert [line.text for line in reader.lines()] == ["alive at the end"]
    reader.close()


@pytest.mark.parametrize("kind", FLOODS)
def test_what_is_shown_of_a_flood_is_harmless(kind: str, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    supervise(directory, FLOODS[kind])
    reader = LogReader(directory, Filter(names=("web.1",)).wants)
    reader.start_at_last(60)
    plain, colored = (Formatter(color=color, as_json=False) for color in (False, True))
    shown = 0
    for line in reader.lines():
        assert len(line.text.removesuffix(CUT_MARK).encode("utf-8", "replace")) <= 3 * MAX_LINE
        assert not CONTROL.search(plain(line).decode().removesuffix("\n"))
        colorless = re.sub(r"\x1b\[[0-9;:]*m", "", colored(line).decode())
        assert not CONTROL.search(colorless.removesuffix("\n"))
        shown += 1
    assert shown == 60
    reader.close()
