"""Mounts as systemd makes a machine's: what is done there is told to copies of them."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from tests.waiting import until


def with_a_disk(directory: Path, *argv: str) -> tuple[str, ...]:
    """``argv`` in a mount namespace in which a disk is mounted at ``directory``."""
    begin = ("unshare", "--mount", "--propagation", "shared", "sh", "-c")
    return (*begin, 'mount -t tmpfs tmpfs "$0" && exec "$@"', str(directory), *argv)


def unmount_for_all(directory: Path, pid: int) -> None:
    """Unmount the disk in ``pid``'s namespace; returns when nobody has it any more."""
    umount = ("nsenter", f"--mount=/proc/{pid}/ns/mnt", "umount", str(directory))
    subprocess.run(umount, check=True, timeout=30)
    until(lambda: not _mounted_for(directory), lambda: str(_mounted_for(directory)))


def _mounted_for(directory: Path) -> list[str]:
    """The processes in whose mount namespace something is mounted there."""
    found = []
    for file in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if str(directory) in file.read_text(errors="replace"):
                found.append(file.parent.name)
    return found
