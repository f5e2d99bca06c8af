"""Where the state file may be made: on a disk of this machine."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

# The kernel's names for what several machines may write to. SQLite's write-ahead log needs memory
# that all who have the file open share, and locks that hold: https://sqlite.org/wal.html
NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "lustre"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs"),
    }
)


def network_file_system(directory: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of network file system that it lies on; None where that is none."""
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.read_text("utf-8", "surrogateescape").splitlines():
        # 36 35 98:0 /root /mounted/at rw,noatime master:1 - ext4 /dev/root rw (proc(5))
        mount, _, kind = line.partition(" - ")
        if mount.split(" ", 3)[2] == number:
            found = kind.partition(" ")[0]
            return found if found in NETWORK else None
    return None
