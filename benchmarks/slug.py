"""`slugc build` of a Django app with 45 distributions, against venv + pip + tar | pigz.

    python -m benchmarks.slug [RUNS] [CLAIM...]
    python -m benchmarks.slug linear

Claims: first, unchanged, edit, added, size, memory; all of them when none is named. The peer is
benchmarks.build's, what a buildpack host does today: it keeps nothing, so whatever has changed, it
does everything again. `linear` packs trees of 1,000 to 200,000 files and draws
benchmarks/plots/packing.svg.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.build import PIPELINE
from benchmarks.pairs import (
    FIXTURES,
    ROOT,
    Claim,
    Pairs,
    ask_for_peers_python,
    environment,
    measure,
    program,
    timed,
)
from benchmarks.pairs import report as report_pairs
from benchmarks.plot import Line, draw
from benchmarks.trees import make_modules

REQUIREMENTS = Path(__file__).parent / "apps" / "market" / "requirements.txt"
ADDED = "humanize==4.13.0\n"
PLOT = Path(__file__).parent / "plots" / "packing.svg"
COUNTS = (1_000, 5_000, 20_000, 50_000, 100_000, 198_000)
"""of files; with their directories the last are 200,000 entries, as many as a slug may have"""
PEAK = 150
RUNS = 2


class Bench:
    """One directory for everything; nothing is deleted before the end (benchmarks/README.md)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = itertools.count()

    def fresh(self, name: str) -> Path:
        return self.directory / f"{name}-{next(self.numbers)}"

    def app(self) -> Path:
        """The Django fixture, with the requirements of a grown app."""
        app = self.fresh("app")
        shutil.copytree(FIXTURES / "django_polls", app)
        shutil.copyfile(REQUIREMENTS, app / "requirements.txt")
        ask_for_peers_python(app)
        return app

    def ours(self, app: Path, home: Path, slug: Path) -> float:
        argv = (program("slugc"), "build", str(app), "--output", str(slug))
        return timed(argv, env=environment(SLUGKIT_HOME=str(home)))

    def peer(self, app: Path) -> float:
        places = (str(self.fresh("build")), str(app), str(self.fresh("peer.tgz")), "")
        return timed(("bash", "-c", PIPELINE, "pipeline", *places))

    def first(self, runs: int) -> Pairs:
        app = self.app()
        return measure(
            Claim(name="first build", peer="venv + pip + tar|pigz", limit=0.30),
            lambda: self.ours(app, self.fresh("home"), self.fresh("ours.slug")),
            lambda: self.peer(app),
            runs=runs,
        )

    def after(self, name: str, limit: float, change: Callable[[Path], object], runs: int) -> Pairs:
        """A rebuild after ``change``, each of another home that has built the app before."""
        ready = iter([self._built() for _ in range(runs)])

        def ours() -> float:
            app, home, slug = next(ready)
            change(app)
            return self.ours(app, home, slug)

        def peer() -> float:
            app = self.app()
            change(app)
            return self.peer(app)

        claim = Claim(name=name, peer="venv + pip + tar|pigz again", limit=limit)
        return measure(claim, ours, peer, runs=runs)

    def _built(self) -> tuple[Path, Path, Path]:
        app, home, slug = self.app(), self.fresh("home"), self.fresh("ours.slug")
        self.ours(app, home, slug)
        self.ours(app, home, slug)  # as in the life of an app: not the first rebuild
        return app, home, slug

    def unpacked(self) -> tuple[Path, Path]:
        """A slug, and its tree."""
        app, home, slug = self.app(), self.fresh("home"), self.fresh("ours.slug")
        self.ours(app, home, slug)
        tree = self.fresh("tree")
        tree.mkdir()
        timed(("tar", "--zstd", "-xf", str(slug), "-C", str(tree)))
        return slug, tree

    def packing(self, tree: Path) -> Mapping[str, float]:
        directory = self.fresh("packing")
        directory.mkdir()
        argv = (sys.executable, "-m", "benchmarks.packing", str(tree), str(directory))
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, check=True)
        return {key: float(value) for key, value in json.loads(done.stdout).items()}


def edit(app: Path) -> None:
    with (app / "polls" / "views.py").open("a") as file:
        file.write("\n# edited\n")


def add(app: Path) -> None:
    with (app / "requirements.txt").open("a") as file:
        file.write(ADDED)


def compare_size(bench: Bench) -> bool:
    slug, tree = bench.unpacked()
    command = f"tar -c -C {tree} --sort=name app | zstd -3 -q | wc -c"
    done = subprocess.run(("bash", "-c", command), stdout=subprocess.PIPE, check=True)
    ours, peer = slug.stat().st_size, int(done.stdout)
    return told("size", f"{ours:,} bytes, tar | zstd -3: {peer:,}", ours / peer, 1.0)


def measure_memory(bench: Bench) -> bool:
    _, tree = bench.unpacked()
    many = bench.fresh("many")
    make_modules(many, COUNTS[-1])
    good = True
    for name, each in (("the Django app", tree / "app"), (f"{COUNTS[-1]:,} files", many)):
        peak = bench.packing(each)["peak"]
        good &= told(f"memory of packing {name}", f"{peak:.0f} MiB", peak / PEAK, 1.0)
    return good


def measure_linear(bench: Bench) -> bool:
    found = []
    for count in COUNTS:
        tree = bench.fresh("many")
        make_modules(tree, count)
        found.append(bench.packing(tree))
        took = ", ".join(f"{key} {found[-1][key] * 1000:,.0f} ms" for key in LINES)
        print(f"{count:,} files: {took}, peak {found[-1]['peak']:.0f} MiB", flush=True)
    lines = [
        Line(name=text, points=[(n, row[key]) for n, row in zip(COUNTS, found, strict=True)])
        for key, text in LINES.items()
    ]
    PLOT.parent.mkdir(exist_ok=True)
    title = "Packing a slug: seconds by number of files"
    PLOT.write_text(draw(title, lines, across="files", up="seconds"))
    print(PLOT)
    good = True
    for line in lines:
        (few, before), (many, after) = line.points[2], line.points[-1]
        growth = (after / before) / (many / few)
        good &= told(f"growth of {line.name}", f"{few:,} to {many:,} files", growth, 1.5)
    return good


LINES = {"first": "the first time", "edited": "one file changed", "again": "nothing changed"}


def told(name: str, found: str, ratio: float, limit: float) -> bool:
    holds = ratio <= limit
    verdict = f"at most {limit:g}: {'holds' if holds else 'DOES NOT HOLD'}"
    print(f"{name}: {found}; ratio {ratio:.3f}, {verdict}", flush=True)
    return holds


def claims(bench: Bench, runs: int) -> Mapping[str, Callable[[], bool]]:
    def pairs(make: Callable[[], Pairs]) -> Callable[[], bool]:
        return lambda: report_pairs([make()]) == 0

    return {
        "first": pairs(lambda: bench.first(runs)),
        "unchanged": pairs(lambda: bench.after("no change", 0.02, lambda _: None, runs)),
        "edit": pairs(lambda: bench.after("app edit", 0.02, edit, runs)),
        "added": pairs(lambda: bench.after("one requirement added", 0.10, add, runs)),
        "size": lambda: compare_size(bench),
        "memory": lambda: measure_memory(bench),
        "linear": lambda: measure_linear(bench),
    }


def main(arguments: Sequence[str]) -> int:
    runs = int(arguments[0]) if arguments and arguments[0].isdigit() else RUNS
    wanted = [argument for argument in arguments if not argument.isdigit()]
    place = os.environ.get("SLUGKIT_BENCH_DIR", "/var/tmp")
    directory = Path(tempfile.mkdtemp(prefix="slugkit-bench-", dir=place))
    directory.chmod(0o755)
    try:
        known = claims(Bench(directory), runs)
        if unknown := set(wanted) - set(known):
            sys.exit(f"No such claim: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        results = [known[name]() for name in wanted or [x for x in known if x != "linear"]]
        return 0 if all(results) else 1
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
