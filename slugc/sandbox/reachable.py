"""Whether a user who is not us may read what lies at a path of this machine."""

from __future__ import annotations

from pathlib import Path


def is_reachable(path: Path, *, uid: int) -> bool:
    """Whether ``uid``, whose one group has the same number, may walk to ``path`` and read it."""
    for place in (path, *path.parents):
        status = place.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == uid else 0
        bits = status.st_mode >> shift
        needed = 0o1 if place.is_dir() else 0o4
        if bits & needed != needed:
            return False
        # Also the way from where a link leads: /opt/tools may be a link to below /root.
        if place.is_symlink() and not is_reachable(place.parent / place.readlink(), uid=uid):
            return False
    return True
