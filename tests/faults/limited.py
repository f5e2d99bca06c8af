"""A control group for a program of ours itself: what it may have of this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from buildpack.support.cgroups import create_cgroup
from buildpack.support.hierarchies import find_hierarchies


@dataclass(frozen=True)
class Allowed:
    """What one control group may have."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


@contextlib.contextmanager
def inside(allowed: Allowed) -> Iterator[str]:
    """A line of shell that enters such a group: slugc or slug-run is in it, no container is."""
    hierarchies = find_hierarchies()
    if hierarchies is None:
        pytest.skip("no control groups may be made here")
    group = create_cgroup(hierarchies, "tests", f"{os.getpid()}-{os.urandom(4).hex()}", allowed)
    try:
        yield "".join(f"echo 0 > {path};" for path in group.entrances)
    finally:
        group.remove(timeout=20)
