"""Start-up of the two commands a person waits for, against Python starting and doing nothing.

python -m benchmarks.startup [RUNS]
"""

from __future__ import annotations

import shutil
import sys

from benchmarks.pairs import FIXTURES, ROOT, Claim, Pairs, measure, program, report, timed

LIMIT = 3.0
RUNS = 41


def measure_detect(runs: int) -> Pairs:
    # bin/detect runs the `python3` it finds on PATH, so that is the peer too.
    python = shutil.which("python3") or "python3"
    claim = Claim(name="bin/detect", peer="python3 -I -c pass", limit=LIMIT)
    argv = (str(ROOT / "bin/detect"), str(FIXTURES / "flask_hello"))
    return measure(
        claim, lambda: timed(argv), lambda: timed((python, "-I", "-c", "pass")), runs=runs
    )


def measure_help(name: str, runs: int) -> Pairs:
    claim = Claim(name=f"{name} --help", peer="python -I -c pass", limit=LIMIT)
    argv = (program(name), "--help")
    peer = (sys.executable, "-I", "-c", "pass")
    return measure(claim, lambda: timed(argv), lambda: timed(peer), runs=runs)


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    timed((str(ROOT / "bin/detect"), str(FIXTURES / "flask_hello")))
    results = [measure_detect(runs), *(measure_help(name, runs) for name in ("slugc", "slug-run"))]
    return report(results)


if __name__ == "__main__":
    sys.exit(main())
