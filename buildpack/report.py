"""Build data: what happened in the last build, as JSON, also after one that failed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from buildpack.support import files

LONGEST_VALUE = 200
Value = str | int | float | bool


def data_file(cache_dir: Path) -> Path:
    return cache_dir / "build-data" / "python.json"


@dataclass(slots=True)
class BuildData:
    """Collects facts while the build runs. Not frozen: it is the build's notebook."""

    started: float = field(default_factory=time.monotonic)
    facts: dict[str, Value] = field(default_factory=dict)

    def set(self, name: str, value: Value) -> None:
        self.facts[name] = value[:LONGEST_VALUE] if isinstance(value, str) else value

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record how many seconds the block took."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.set(name, round(time.monotonic() - begun, 3))

    def save(self, cache_dir: Path) -> None:
        """Keep the previous build's data as python-prev.json."""
        self.set("total_duration", round(time.monotonic() - self.started, 3))
        target = data_file(cache_dir)
        if target.exists():
            target.replace(target.with_name("python-prev.json"))
        files.write_atomically(target, json.dumps(self.facts, sort_keys=True, indent=1) + "\n")


def read_build_data(cache_dir: Path) -> str:
    """The JSON for ``bin/report``: sorted, on one level; ``{}`` before the first build."""
    try:
        return data_file(cache_dir).read_text("utf-8")
    except FileNotFoundError:
        return "{}\n"
