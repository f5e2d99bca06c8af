"""Directories for tests in which builds are made and apps run."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from buildpack.support.cgroups import remove_run_groups
from buildpack.support.hierarchies import find_hierarchies
from runner.engines import rundir

_TRIES, _PAUSE = 100, 0.1  # seconds
_HOMES = ("run/.lock", "*/run/.lock", "*/*/run/.lock")


@contextmanager
def open_place() -> Iterator[Path]:
    """A temporary directory that the unprivileged user of Slugkit reaches, too."""
    path = Path(tempfile.mkdtemp(prefix="slugkit-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        remove_place(path)


def remove_place(path: Path) -> None:
    """Delete it, and what killed runs of data directories in it have left elsewhere.

    Builds delete what they renamed aside when they have ended already: that may meet us.
    """
    sweep_runs(path)
    # Tens of thousands of files: five times quicker than deleting them from Python.
    remove = ("rm", "--recursive", "--force", "--one-file-system", "--", str(path))
    for _ in range(_TRIES):
        if subprocess.run(remove, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(_PAUSE)
    subprocess.run(remove, check=True)


def sweep_runs(path: Path) -> None:
    """The next run there would do it, and there will be none."""
    hierarchies = find_hierarchies()
    groups = partial(remove_run_groups, hierarchies) if hierarchies else lambda _: None
    for lock in (found for each in _HOMES for found in path.glob(each)):
        if lock.stat().st_uid == os.getuid():
            rundir.sweep(lock.parents[1], os.environ, engine="embedded", also=groups)
