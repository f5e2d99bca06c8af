"""First build and unchanged rebuild of the Django fixture, against venv + pip + tar | pigz.

    python -m benchmarks.build [RUNS]

The peer is what a buildpack host does today: `python -m venv`, pip with Heroku's flags,
collectstatic, `tar | pigz`. Its slug holds no Python runtime; ours does. Both use the Python that
`python3` is. First builds start from
empty caches on both sides; the package index is asked over the network both times. The peer keeps
nothing (--no-cache-dir is among Heroku's flags), so its rebuild is the same work again. A kinder
peer, which restores its environment from a cache and saves it back, is measured for information.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.pairs import (
    FIXTURES,
    Claim,
    Pairs,
    ask_for_peers_python,
    environment,
    measure,
    program,
    report,
    timed,
)

APP = FIXTURES / "django_polls"
FIRST_LIMIT, REBUILD_LIMIT = 0.35, 0.05
RUNS = 5

# lib/pip.sh of heroku/heroku-buildpack-python
HEROKU_FLAGS = (
    "--disable-pip-version-check --exists-action=w --no-cache-dir --no-input --progress-bar off"
)

# $1 the build directory, $2 the app, $3 the file to write, $4 the cache or nothing
PIPELINE = f"""
set -e
cp -a "$2" "$1"
cd "$1"
if [ -d "$4/venv" ]; then cp -a "$4/venv" .venv; else python3 -m venv .venv; fi
.venv/bin/python -m pip install --quiet --requirement requirements.txt {HEROKU_FLAGS}
.venv/bin/python manage.py collectstatic --noinput
if [ -n "$4" ]; then
  mkdir "$4.new"; cp -a .venv "$4.new/venv"
  if [ -d "$4" ]; then mv "$4" "$4.old.$$"; fi
  mv "$4.new" "$4"
fi
tar -c -C "$1" . | pigz > "$3"
"""


class Bench:
    """One directory for everything. Nothing is deleted until all runs are over: writing a tree
    soon after deleting a like one is several times slower on ext4, on either side."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = itertools.count()
        self.app = directory / APP.name
        shutil.copytree(APP, self.app)
        ask_for_peers_python(self.app)

    def fresh(self, name: str) -> Path:
        return self.directory / f"{name}-{next(self.numbers)}"

    def ours(self, home: Path) -> float:
        slug = self.fresh("ours.slug")
        argv = (program("slugc"), "build", str(self.app), "--output", str(slug))
        return timed(argv, env=environment(SLUGKIT_HOME=str(home)))

    def pipeline(self, cache: Path | None = None) -> float:
        build_dir, slug = self.fresh("build"), self.fresh("peer.tgz")
        places = (str(build_dir), str(self.app), str(slug), str(cache or ""))
        return timed(("bash", "-c", PIPELINE, "pipeline", *places))

    def first(self, runs: int) -> Pairs:
        claim = Claim(name="first build", peer="venv + pip + tar|pigz", limit=FIRST_LIMIT)
        return measure(claim, lambda: self.ours(self.fresh("home")), self.pipeline, runs=runs)

    def rebuild(self, runs: int) -> Pairs:
        claim = Claim(name="unchanged rebuild", peer="the same again", limit=REBUILD_LIMIT)
        home = self.fresh("home")
        self.ours(home)
        return measure(claim, lambda: self.ours(home), self.pipeline, runs=runs)

    def rebuild_restored(self, runs: int) -> Pairs:
        claim = Claim(name="unchanged rebuild", peer="restored venv + pip + tar|pigz")
        home, cache = self.fresh("home"), self.fresh("cache")
        self.ours(home)
        self.pipeline(cache)
        return measure(claim, lambda: self.ours(home), lambda: self.pipeline(cache), runs=runs)


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    # Not /tmp: that is memory on some machines, and neither side builds there in earnest.
    place = os.environ.get("SLUGKIT_BENCH_DIR", "/var/tmp")
    directory = Path(tempfile.mkdtemp(prefix="slugkit-bench-", dir=place))
    directory.chmod(0o755)
    try:
        bench = Bench(directory)
        return report([bench.first(runs), bench.rebuild(runs), bench.rebuild_restored(runs)])
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
