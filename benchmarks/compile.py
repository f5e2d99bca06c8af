"""bin/compile against bare uv, on an app of 40 distributions: first build, no change, one more.

    python -m benchmarks.compile [RUNS]

The peer is the least that could do the work: `uv venv`, `uv pip install`, `compileall`, with a uv
and a Python that are there already. Ours fetches uv, copies that Python into the app and makes
bytecode that is the same for everybody; both ask the same package index.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.pairs import ROOT, Claim, Pairs, environment, measure, report, timed

APP = Path(__file__).parent / "apps" / "shop"
ADDED = "humanize==4.13.0\n"
RUNS = 5
UNCHANGED_LIMIT = 0.15
"""Seconds above the start of an interpreter, for an environment of some 14,000 files."""

BARE_UV = """
set -e
uv venv --quiet --python "$PYTHON" "$1"
uv pip install --quiet --python "$1" --requirement "$2"
"$1/bin/python" -m compileall -q -j 0 "$1/lib" > "$1.log" || true
"""
BARE_UV_ADDS = """
set -e
uv pip install --quiet --python "$1" --requirement "$2"
"""


class Bench:
    """One directory for everything; nothing is deleted before the end (benchmarks/README.md)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = itertools.count()

    def fresh(self, name: str) -> Path:
        return self.directory / f"{name}-{next(self.numbers)}"

    def app(self, *, added: str = "") -> Path:
        """A checkout of the app, with one more requirement if asked for."""
        app = self.fresh("app")
        shutil.copytree(APP, app)
        if added:
            with (app / "requirements.txt").open("a") as file:
                file.write(added)
        return app

    def ours(self, cache: Path, *, added: str = "") -> float:
        app = self.app(added=added)
        argv = (str(ROOT / "bin" / "compile"), str(app), str(cache))
        return timed(argv, env=environment(SLUGKIT_PYTHON_PROVIDER="host", PATH=path()))

    def uv(self, script: str, venv: Path, app: Path, cache: Path) -> float:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = environment(UV_CACHE_DIR=str(cache), PYTHON=sys.executable, PATH=path)
        return timed(
            ("bash", "-c", script, "uv", str(venv), str(app / "requirements.txt")), env=env
        )

    def first(self, runs: int) -> Pairs:
        def bare() -> float:
            return self.uv(BARE_UV, self.fresh("venv"), self.app(), self.fresh("uv"))

        claim = Claim(name="first bin/compile", peer="uv venv + install + compileall", limit=1.2)
        return measure(claim, lambda: self.ours(self.fresh("cache")), bare, runs=runs)

    def one_added(self, runs: int) -> Pairs:
        """Ours: the whole build with one requirement more. uv: that requirement into its venv."""

        def ours() -> float:
            cache = self.fresh("cache")
            self.ours(cache)
            return self.ours(cache, added=ADDED)

        def bare() -> float:
            venv, cache = self.fresh("venv"), self.fresh("uv")
            self.uv(BARE_UV, venv, self.app(), cache)
            return self.uv(BARE_UV_ADDS, venv, self.app(added=ADDED), cache)

        claim = Claim(name="one requirement added", peer="uv pip install of it", limit=1.3)
        return measure(claim, ours, bare, runs=runs)

    def unchanged(self, runs: int) -> Pairs:
        """Against 0.15 s plus the start of an interpreter, measured in the same minute."""
        cache = self.fresh("cache")
        self.ours(cache)
        claim = Claim(name="unchanged bin/compile", peer="0.15 s + python3 start", limit=1.0)
        return measure(claim, lambda: self.ours(cache), allowance, runs=runs)


def allowance() -> float:
    start = ("python3", "-I", "-S", "-c", "pass")
    return UNCHANGED_LIMIT + timed(start, env=environment(PATH=path()))


def path() -> str:
    """Without a version manager's shims: scripts that take longer than the interpreter behind."""
    directories = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in directories if not each.endswith("/shims"))


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    place = os.environ.get("SLUGKIT_BENCH_DIR", "/var/tmp")
    directory = Path(tempfile.mkdtemp(prefix="slugkit-bench-", dir=place))
    try:
        bench = Bench(directory)
        claims: tuple[Callable[[int], Pairs], ...] = (bench.first, bench.unchanged, bench.one_added)
        return report([claim(runs) for claim in claims])
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
