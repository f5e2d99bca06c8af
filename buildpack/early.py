"""What bin/compile does before it imports anything: it begins to link the trees of the last build.

Most builds need those very trees, and linking them takes longer than everything else they do. So
another process begins with it, while Python imports this build's modules, reads and decides. Where
it cannot be begun, or begins with the wrong trees, they are linked when they are needed.

Little is imported for it: what comes before the first link is waited for.
"""
# Not pathlib, which takes longer to load than the first link has:
# ruff: noqa: PTH102, PTH116

from __future__ import annotations

import fcntl
import os
import stat

from buildpack.support.linking import Linking, LinkingAside, is_alone, read_listing

TYPE_CHECKING = False  # as in typing, which is not loaded yet
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREVIOUS = "PREVIOUS_BUILD_DIR"
PLACE = "venvs/.ahead"
TREES = (("venvs", "venv"), ("runtimes", "python"))


class Early:
    """The lock of the cache, held, and what is being linked below it, if anything is."""

    __slots__ = ("linking", "lock", "trees")

    def __init__(self, lock: int, cache_dir: str) -> None:
        self.lock = lock
        self.linking: LinkingAside | None = None
        self.trees: Sequence[Linking] = ()
        try:
            trees = _last_trees(cache_dir)
            os.mkdir(f"{cache_dir}/{PLACE}")  # if a build was killed it is in the way, and reaped
            self.linking, self.trees = LinkingAside(trees), trees
        except OSError:
            return  # they are linked when they are needed, and what is wrong is told then


def begin(build_dir: str, cache_dir: str, env: Mapping[str, str]) -> Early | None:
    """Start with the trees used last, where that can be done and is of use."""
    if env.get(PREVIOUS, "").startswith("/"):
        return None  # one of the last build will do
    try:
        if not is_alone() or os.stat(build_dir).st_dev != os.stat(cache_dir).st_dev:
            return None
        lock = _locked(f"{cache_dir}/lock")
    except OSError:
        return None
    return None if lock is None else Early(lock, cache_dir)


def _locked(path: str) -> int | None:
    """The lock file if it is there and nobody holds it; ``support.locks`` takes it over.

    What is no lock file of ours is refused there, in words.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(descriptor)
        is_ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if is_ours and os.path.samestat(os.lstat(path), status):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _last_trees(cache_dir: str) -> list[Linking]:
    """What this build will probably want, and where it is put until it is known."""
    place = f"{cache_dir}/{PLACE}"
    found = (_last_used(f"{cache_dir}/{kind}", name, place) for kind, name in TREES)
    return [tree for tree in found if tree]


def _last_used(entries_dir: str, name: str, place: str) -> Linking | None:
    with os.scandir(entries_dir) as entries:
        homes = [entry for entry in entries if not entry.name.startswith(".")]
    home = max(homes, key=lambda entry: entry.stat().st_mtime_ns, default=None)
    listing = read_listing(f"{home.path}/{name}.names") if home else None
    if home is None or listing is None:
        return None
    return Linking(source=f"{home.path}/{name}", target=f"{place}/{name}", listing=listing)
