"""Directories for what is needed for a while: DATA_DIR/scratch/scratch-XXXXXXXX/.

Whoever uses one holds its lock, which the kernel frees when they die. So whoever comes next knows
what is left over without trusting clocks (a build may take hours) or process numbers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.deletion import remove_tree
from buildpack.support.locks import is_locked, locked, open_locked
from slugc.privileges import let_through

SCRATCH = "scratch"
PREFIX = "scratch-"
LOCK = "lock"
TRIAL = "trial"
"""A build space beside them (slugc/buildpacks/trial.py), which has the same lock."""


@contextlib.contextmanager
def opened_scratch(data_dir: Path) -> Iterator[Path]:
    """A directory that is gone at the end, with a file ``lock`` in it. The process without rights
    can pass through it, and nobody else. What killed ones left goes as well."""
    parent = data_dir / SCRATCH
    parent.mkdir(exist_ok=True, mode=0o700)
    let_through(parent)
    with contextlib.ExitStack() as undo:
        with locked(parent / f".{LOCK}"):
            _sweep(parent)
            directory = parent / f"{PREFIX}{os.urandom(4).hex()}"
            directory.mkdir(mode=0o700)
            undo.callback(remove_tree, directory)
            let_through(directory)
            undo.callback(os.close, open_locked(directory / LOCK))
        yield directory


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*"):
        if not is_locked(path / LOCK):
            with contextlib.suppress(OSError):  # what cannot be deleted now is left to the next one
                remove_tree(path)
