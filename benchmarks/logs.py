"""An app's log: what a supervisor does with what a container writes, against others' ways.

The same lines come through a pipe each time; seconds from the start of who writes them and who
keeps them until the last one is kept. Ours are kept across a kill, in rotated files; svlogd's
(runit) are rotated files with the time before each line; honcho prints them with time and name;
`tee` only copies bytes to one file. svlogd and honcho are taken from PATH, and left out if they
are not there.

python -m benchmarks.logs [RUNS]
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.pairs import ROOT, Claim, Pairs, measure, report
from runner.logbook.app_log import AppLog
from runner.logbook.reader import Filter, LogReader
from runner.logbook.store import Bounds

RUNS = 5
LINE = '10.0.2.2 - - "GET /polls/42/results/ HTTP/1.1" 200 1234 "Mozilla/5.0" 12ms'
FLOOD = 1_000_000  # lines, written in large pieces
ONE_BY_ONE = 200_000  # lines, each a write(2) of its own, as with PYTHONUNBUFFERED
AT_LEAST = 100_000  # lines a second
MOST_MEMORY = 40.0  # MiB
KEEP_ALL = Bounds(files=1000)

WRITE_EACH = f"import os\nfor _ in range({ONE_BY_ONE}): os.write(1, b'''{LINE}\\n''')"
PRODUCERS = {
    FLOOD: f"yes {shlex.quote(LINE)} | head -n {FLOOD}",
    ONE_BY_ONE: f"{sys.executable} -c {shlex.quote(WRITE_EACH)}",
}


def keep(directory: Path) -> None:
    """What a supervisor does, with standard input for a container; prints the most memory (MiB)."""
    poller = select.poll()
    poller.register(0, select.POLLIN)
    with AppLog(directory, bounds=KEEP_ALL) as log:
        log.open_container("k", "web.1", 0)
        poller.poll()
        while log.attend("k"):
            poller.poll()
        log.close_container("k")
    # Not getrusage: its maximum begins with that of whoever started us.
    found = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(int(found) / 1024)


class Runs:
    """Runs pipelines in a directory of their own, and remembers the most memory ours took."""

    def __init__(self, root: Path) -> None:
        self._root, self._number = root, 0
        self.memory = 0.0

    def ours(self, lines: int) -> float:
        directory = self._fresh()
        argv = (sys.executable, "-m", "benchmarks.logs", "--keep", str(directory))
        elapsed, said = timed(f"{PRODUCERS[lines]} | {shlex.join(argv)}")
        self.memory = max(self.memory, float(said))
        self._check(directory, lines)
        return elapsed

    def tee(self, lines: int) -> float:
        kept = self._fresh() / "kept"
        return timed(f"{PRODUCERS[lines]} | tee {kept} > {os.devnull}")[0]

    def svlogd(self, lines: int) -> float:
        directory = self._fresh()
        (directory / "config").write_text(f"s{10 << 20}\nn1000\n")
        return timed(f"{PRODUCERS[lines]} | svlogd -tt {directory}")[0]

    def honcho(self, lines: int) -> float:
        directory = self._fresh()
        (directory / "app.sh").write_text(PRODUCERS[lines])
        procfile = directory / "Procfile"
        procfile.write_text(f"web: sh {directory / 'app.sh'}\n")
        return timed(f"honcho start -f {procfile} > {directory / 'kept'}")[0]

    def _fresh(self) -> Path:
        self._number += 1
        directory = self._root / str(self._number)
        directory.mkdir()
        return directory

    @staticmethod
    def _check(directory: Path, lines: int) -> None:
        """Not one line is missing, doubled or changed."""
        reader = LogReader(directory, Filter().wants)
        found = [line.text == LINE for line in reader.lines()]
        reader.close()
        if not (len(found) == lines and all(found)):
            sys.exit(
                f"{lines} lines were written; the log has {len(found)}, {sum(found)} as they were"
            )


def timed(line: str) -> tuple[float, str]:
    """Seconds a shell command takes, and what it prints."""
    started = time.perf_counter()
    done = subprocess.run(("sh", "-c", line), cwd=ROOT, capture_output=True, check=False)
    elapsed = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{line} ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    return elapsed, done.stdout.decode()


def peers(runs: Runs) -> list[tuple[str, float | None, int, Callable[[int], float]]]:
    """Each peer with the most we may take of its time, and the lines it is tried with."""
    found: list[tuple[str, float | None, int, Callable[[int], float]]] = [
        ("tee", None, FLOOD, runs.tee),
        ("tee", None, ONE_BY_ONE, runs.tee),
    ]
    if shutil.which("svlogd"):
        found.append(("svlogd -tt", 1.0, FLOOD, runs.svlogd))
        found.append(("svlogd -tt", 1.0, ONE_BY_ONE, runs.svlogd))
    if shutil.which("honcho"):
        found.append(("honcho", 1.0, ONE_BY_ONE, runs.honcho))
    return found


def measured(root: Path, count: int) -> int:
    runs = Runs(root)
    results: list[Pairs] = []
    slow = False
    for name, limit, lines, peer in peers(runs):
        how = "at once" if lines == FLOOD else "one by one"
        claim = Claim(name=f"{lines:,} lines {how}, logged", peer=name, limit=limit)
        pair = measure(claim, partial(runs.ours, lines), partial(peer, lines), runs=count)
        results.append(pair)
        slow |= lines / median(pair.ours) < AT_LEAST
        print(f"{lines / median(pair.ours):,.0f} lines a second", flush=True)
    code = report(results)
    print(f"most memory of the writer: {runs.memory:.1f} MiB; at most {MOST_MEMORY:g}")
    return code or int(slow or runs.memory > MOST_MEMORY)


def main() -> int:
    if sys.argv[1:2] == ["--keep"]:
        keep(Path(sys.argv[2]))
        return 0
    with tempfile.TemporaryDirectory(prefix="slugkit-logs-") as name:
        return measured(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)


if __name__ == "__main__":
    sys.exit(main())
