"""The one temporary directory of a run of the tests.

Tests, the programs they start and what those leave are all in there, so that a run leaves nothing
for the next one to meet, and nothing that an earlier run left is in its way. That of a run that was
killed goes with the next one: whoever runs holds a lock, and the kernel lets go of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

from buildpack.support.locks import is_locked

_NAME, _LOCK = "slugkit-tests-", ".lock"


def make_scratch() -> Path:
    """A fresh one, which every user may use as they may /tmp, and which is TMPDIR from now on."""
    # Not /tmp by itself: built apps are gigabytes, and /tmp may be memory.
    parent = os.environ.get("TMPDIR") or "/var/tmp"
    remove_dead(Path(parent))
    scratch = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent)).resolve()
    hold(scratch)
    scratch.chmod(0o1777)
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = None  # else it is remembered where it was before
    return scratch


def remove_scratch(scratch: Path) -> str:
    """Delete it, but nothing through what a test has left mounted there; what rm says of that."""
    # A million files: five times quicker than deleting them from Python.
    argv = ("rm", "--recursive", "--force", "--one-file-system", "--", str(scratch))
    return subprocess.run(argv, capture_output=True, check=False, text=True).stderr


def hold(scratch: Path) -> int:
    """Lock it, for as long as this process lives. By this name no lock is ever seen free before."""
    made = scratch / f"{_LOCK}.new"
    lock = os.open(made, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    made.rename(scratch / _LOCK)
    return lock


def remove_dead(parent: Path) -> None:
    """Those of our own that nobody holds any more."""
    for lock in parent.glob(f"{_NAME}*/{_LOCK}"):
        with contextlib.suppress(FileNotFoundError):  # another run removes it, too
            if lock.lstat().st_uid == os.getuid() and not is_locked(lock):
                remove_scratch(lock.parent)
