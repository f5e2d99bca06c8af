"""Start-up of the two commands a person waits for, against Python starting and doing nothing.

python -m benchmarks.startup [RUNS]
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.pairs import (
    FIXTURES,
    ROOT,
    Claim,
    Pairs,
    environment,
    measure,
    program,
    report,
    timed,
)

LIMIT = 3.0
RUNS = 41


def measure_detect(runs: int) -> Pairs:
    # bin/detect takes `python3` from PATH, where a version manager's shim (a shell script of a
    # tenth of a second) may come first: both sides get the interpreter itself.
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    env = environment(PATH=path)
    claim = Claim(name="bin/detect", peer="python3 -I -c pass", limit=LIMIT)
    argv = (str(ROOT / "bin/detect"), str(FIXTURES / "flask_hello"))
    peer = (str(Path(sys.executable).parent / "python3"), "-I", "-c", "pass")
    return measure(claim, lambda: timed(argv, env=env), lambda: timed(peer, env=env), runs=runs)


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
