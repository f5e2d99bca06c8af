"""Directories for sockets, and control groups, that runs of data directories have left which nobody
uses any more.

Whoever was killed is swept up after by the next run with the same data directory (``rundir``). If
that was deleted there is none: its part beside the others (/run/slugkit) is looked at when another
run has ended, so that no start waits for it. So are control groups of which nothing else is left,
since something in them could not be ended at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.cgroups import PARENT, remove_run_groups
from buildpack.support.deletion import remove_tree
from buildpack.support.hierarchies import Hierarchies, find_hierarchies
from runner.engines.rundir import ROOT_LINK, ROOTS_SOCKETS

# A run has its first socket long before. One without any (the host engine's) needs no directory.
OLD = 3600.0
_RUN = re.compile(r"[a-z]+-[0-9a-f]{8}")
_FREE = {errno.ECONNREFUSED, errno.ENOENT}


def sweep_left_sockets(root: Path) -> None:
    """Remove them; what cannot be removed now is left to the next one."""
    hierarchies = find_hierarchies()
    for directory in left_sockets(root):
        with contextlib.suppress(OSError):
            if hierarchies is not None:  # first: their name is the directory's
                remove_run_groups(hierarchies, directory.name)
            remove_tree(directory)
    if hierarchies is not None and root == ROOTS_SOCKETS:  # every run of root's is there
        for run_id in left_groups(hierarchies, root):
            with contextlib.suppress(OSError):
                remove_run_groups(hierarchies, run_id, patience=0.0)


def left_groups(hierarchies: Hierarchies, root: Path) -> frozenset[str]:
    """Runs that made control groups long ago and have no directory beside the others any more."""
    tops = [top / PARENT for top in hierarchies.parents]
    found = [each for top in tops if top.is_dir() for each in top.iterdir()]
    return frozenset(
        each.name
        for each in found
        if _RUN.fullmatch(each.name) and _is_old(each) and not os.path.lexists(root / each.name)
    )


def left_sockets(root: Path) -> tuple[Path, ...]:
    """Those of runs that began long ago and have no socket with anybody behind it. Who still has a
    data directory is swept by the runs there, which know who lives."""
    try:
        found = sorted(each for each in root.iterdir() if _RUN.fullmatch(each.name))
    except OSError:
        return ()
    lost = (each for each in found if not _has_root(each))
    return tuple(each for each in lost if _is_old(each) and not any(map(_is_heard, _all(each))))


def _has_root(directory: Path) -> bool:
    """Whether its data directory is there; also where that cannot be said."""
    try:
        return (directory / ROOT_LINK).exists()
    except OSError:
        return True


def _is_old(directory: Path) -> bool:
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > OLD


def _all(directory: Path) -> Iterator[Path]:
    for place, _, names in os.walk(directory):  # follows no links
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(path.lstat().st_mode):
                    yield path


def _is_heard(path: Path) -> bool:
    """Whether somebody listens there; also where that cannot be said."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as client:
        try:
            client.connect(os.fspath(path))
        except OSError as err:
            return err.errno not in _FREE
    return True
