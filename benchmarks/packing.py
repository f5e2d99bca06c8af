"""Pack a tree into a slug, in a process of its own, and say what it took.

    python -m benchmarks.packing TREE DIR

Packs it three times into DIR, as `slugc build` does: from nothing, without a change, and after a
byte was appended to one file. Prints the seconds of each and the greatest memory the process ever
had, in MiB, as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from slugc.packing.preparation import prepare_packing
from slugc.packing.slug_writer import write_slug
from slugc.slug import SlugFacts, SlugFormat
from slugc.stack import Stack
from slugc.store import Store

FACTS = SlugFacts(
    name="benchmark",
    stack=Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64"),
    buildpacks=(),
    process_types={},
    config_vars={},
)


def seconds(tree: Path, directory: Path) -> float:
    started = time.perf_counter()
    output, store = directory / "app.slug", Store(directory / "store")
    prepared = prepare_packing(output, directory / "seals", store, SlugFormat.ZSTD)
    write_slug(tree, output, facts=FACTS, store=store, prepared=prepared)
    return time.perf_counter() - started


def _first_file(tree: Path) -> Path:
    """Any file, without making a list of all: that would be the greatest memory we measure."""
    return next(Path(where, files[0]) for where, _, files in os.walk(tree) if files)


def main() -> int:
    tree, directory = Path(sys.argv[1]), Path(sys.argv[2])
    first = seconds(tree, directory)
    again = seconds(tree, directory)
    with _first_file(tree).open("a") as file:
        file.write(" ")
    edited = seconds(tree, directory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first": first, "again": again, "edited": edited, "peak": peak}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
