"""A buildpack's copy for one build, and for the next as long as nobody has written to it.

A build may write to its copy, so each build gets one of its own. Few do, and copying some hundred
files and deleting them afterwards takes longer than most phases. So the last build's copy is used
again if a seal (buildpack/support/seals.py), made before any build code ran, is unbroken.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path

from buildpack.support.files import write_atomically
from buildpack.support.seals import decode_seal, is_unbroken, seal_entries
from slugc.buildpacks.fetch import EXPORT, Buildpack
from slugc.privileges import hand_over

_MODE = 0o755
_LONGEST_WAIT = 50_000_000  # nanoseconds; file systems that keep whole seconds are not waited for
_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def provide_copy(buildpack: Buildpack, target: Path, *, last: Path, note: Path) -> None:
    """Put a copy at ``target``: the one at ``last`` if it is as it was made, else a fresh one.

    ``note`` is a file that tells of it, where no build can write.
    """
    if _is_as_made(last, note, buildpack.digest):
        last.rename(target)
        return
    copy_buildpack(buildpack, target)
    _remember(target, note, buildpack.digest)


def copy_buildpack(buildpack: Buildpack, target: Path) -> None:
    """A copy for one build to use and write to: buildpacks leave an ``export`` file there."""
    # Not shutil.copytree: it goes on when the disk is full, and its error does not say so.
    for directory, below, names in os.walk(buildpack.root):
        copied = target / Path(directory).relative_to(buildpack.root)
        copied.mkdir(mode=_MODE)
        hand_over(copied)
        for name in (*below, *names):
            _copy(Path(directory) / name, copied / name)


def _copy(source: Path, target: Path) -> None:
    """A file or a link; directories are gone through one by one."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_file():
        shutil.copy(source, target)
    else:
        return
    hand_over(target)


def _is_as_made(copy: Path, note: Path, digest: str) -> bool:
    try:
        noted, _, encoded = note.read_bytes().partition(b"\n")
        seal = decode_seal(encoded)
        if seal is None or noted != digest.encode() or not _is_plain(copy.parent.lstat()):
            return False
        descriptor = os.open(copy, _DIR)
    except OSError:
        return False
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(EXPORT, dir_fd=descriptor)
        plain = _is_plain(os.fstat(descriptor))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return plain and is_unbroken(copy, seal)


def _is_plain(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == _MODE


def _remember(copy: Path, note: Path, digest: str) -> None:
    """Seal a copy before any build code runs, and wait until no change to it can go unseen."""
    note.unlink(missing_ok=True)
    seal = seal_entries(copy, _entries(copy))
    if seal.safe_after - time.time_ns() > _LONGEST_WAIT:
        return
    seal.wait()
    note.parent.mkdir(exist_ok=True)
    write_atomically(note, digest.encode() + b"\n" + seal.encoded())


def _entries(top: Path) -> list[bytes]:
    start = len(os.fsencode(top)) + 1
    return [
        os.path.join(directory, name)[start:]  # noqa: PTH118  # of bytes
        for directory, below, names in os.walk(os.fsencode(top))
        for name in (*below, *names)
    ]
