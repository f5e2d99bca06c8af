"""Who untrusted code runs as, and where Slugkit keeps its data.

Started by root, Slugkit never lets an app, a build or an archive act as root: those run as
``RUN_UID``, a user no machine has. Started by anybody else, they run as that user.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value

# An id that systemd documents as unused (its "unused" range starts at 1879048192) and no
# distribution hands out: https://systemd.io/UIDS-GIDS/. So nothing else on the machine is owned
# by it, and nothing it owns can be anything but ours.
RUN_UID = 1879050000
RUN_GID = RUN_UID

T = TypeVar("T")


@value
class Identity:
    """A user and a group, as the kernel knows them."""

    uid: int
    gid: int


class DataDirError(SlugkitError):
    """The data directory cannot be made or used."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "data-dir"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"Slugkit cannot use its data directory {path}",
            details=found,
            resolution="Make it writable, or set SLUGKIT_HOME to a directory that is.",
        )


class ChildLostError(SlugkitError):
    """The unprivileged child died without an answer, or with one we do not accept."""

    exit_code = ExitCode.BUG
    id = "child-lost"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__("A helper process of Slugkit ended without an answer", details=found)


def run_identity() -> Identity:
    """Who builds, unpacking and containers run as."""
    if os.getuid() == 0:
        return Identity(uid=RUN_UID, gid=RUN_GID)
    return Identity(uid=os.getuid(), gid=os.getgid())


def drop_prefix() -> tuple[str, ...]:
    """What goes before a program so that it runs as ``run_identity``."""
    if os.getuid() != 0:
        return ()
    return ("setpriv", "--reuid", str(RUN_UID), "--regid", str(RUN_GID), "--clear-groups", "--")


def drop_rights() -> None:
    """Become ``run_identity``, for good. Nothing to do unless we are root."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(RUN_GID, RUN_GID, RUN_GID)
        os.setresuid(RUN_UID, RUN_UID, RUN_UID)


def hand_over(path: Path) -> None:
    """Give a file or directory we made to ``run_identity``; nothing to do unless we are root."""
    if os.getuid() == 0:
        os.chown(path, RUN_UID, RUN_GID, follow_symlinks=False)


def hand_over_streams(descriptors: Iterable[int | None]) -> None:
    """Give pipes and terminals we made to ``run_identity``. Whoever writes to /dev/stderr, or reads
    /dev/stdin, opens them anew, and is asked whose they are. Nothing to do unless we are root."""
    if os.getuid() != 0:
        return
    for descriptor in descriptors:
        if descriptor is None:
            continue
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor):
            os.fchown(descriptor, RUN_UID, RUN_GID)


def let_through(path: Path) -> None:
    """Let ``run_identity`` pass through a directory of ours without giving it any say there.

    For directories root works in by name: their owner could put links in the place of what is
    expected. Nothing to do unless we are root; the directory must not be anybody else's yet.
    """
    if os.getuid() == 0:
        os.chown(path, 0, RUN_GID, follow_symlinks=False)
        path.chmod(0o710)


def data_path(env: Mapping[str, str]) -> Path:
    """Where the data directory is or would be: nothing is made, for who only looks."""
    return Path(_data_path(env)).absolute()


def data_dir(env: Mapping[str, str]) -> Path:
    """Where Slugkit keeps its store, caches and state; made when missing."""
    path = data_path(env)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.getuid() == 0:
            _claim(path)
    except OSError as err:
        raise DataDirError(path, str(err)) from err
    if not os.access(path, os.W_OK | os.X_OK):
        raise DataDirError(path, f"uid {os.getuid()} may not write there.")
    return path


def _claim(path: Path) -> None:
    """Make root's data directory one that ``run_identity`` passes through and nobody else enters.

    It stays root's: who owns it could put links in the place of what root works with. A directory
    with another use is never taken.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        is_ours = found.st_gid == RUN_GID or found.st_uid == RUN_UID
        if not is_ours and os.listdir(descriptor):  # noqa: PTH208 - of what we hold, not of a name
            raise DataDirError(path, f"It belongs to uid {found.st_uid} and is not empty.")
        os.fchown(descriptor, 0, RUN_GID)
        os.fchmod(descriptor, 0o710)
    finally:
        os.close(descriptor)


def require_reachable(path: Path) -> None:
    """Raise DataDirError when root put the data where ``run_identity`` cannot go."""
    if os.getuid() != 0:
        return
    for directory in (path, *path.parents):
        found = directory.stat()
        entry = stat.S_IXGRP if found.st_gid == RUN_GID else stat.S_IXOTH
        if found.st_uid != RUN_UID and not found.st_mode & entry:
            raise DataDirError(
                path,
                f"Apps run as uid {RUN_UID}, not as root, and {directory}\n"
                "lets nobody but its owner through.",
            )


def _data_path(env: Mapping[str, str]) -> str:
    if chosen := env.get("SLUGKIT_HOME"):
        return chosen
    if os.getuid() == 0:
        return "/var/lib/slugkit"
    share = env.get("XDG_DATA_HOME") or f"{home_path(env)}/.local/share"
    return f"{share}/slugkit"


def home_path(env: Mapping[str, str]) -> str:
    """HOME; where that is not set, as in many a service, what the user database says."""
    if home := env.get("HOME"):
        return home
    import pwd  # rare

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/nonexistent"  # what Debian calls the home of those who have none


def in_dropped_child(function: Callable[[], T]) -> T:
    """What ``function`` returns or raises, computed without root's rights.

    Open files are inherited, so the child can read what only root may open; but modules it has
    not loaded may lie where it cannot read (/root), so import before you call. Nothing is forked
    when there are no rights to drop.
    """
    if os.getuid() != 0:
        return function()
    from slugc.dropped_child import answer_of_child  # pickle and its like: not for every start

    return answer_of_child(function)
