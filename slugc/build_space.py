"""The directories of one app's builds: its cache, which lasts, and a build dir made anew each time.

ROOT/lock            held for a whole build; two builds of one app wait for each other
ROOT/work/           what a sandbox sees as its one writable directory
    build/ env/ home/ buildpacks/    made for one build
    cache/                           kept from build to build
ROOT/trash-*/        what earlier builds left, deleted behind the back of the person who waits
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from buildpack.support.command import Command, capture
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.files import LockTimeoutError, locked, remove_tree
from slugc.privileges import hand_over

FRESH = ("build", "env", "home", "buildpacks")
LOCK_NOTICE_AFTER = 0.2  # seconds; then the person who waits is told what for

# Deletes in the background, with everything closed: a pipe that reads our output must not wait for
# it. A directory a build made unreadable is made readable first.
_REAP = """\
{ nice -n 19 rm -rf -- "$@" || { chmod -R u+rwX -- "$@"; rm -rf -- "$@"; }; } \
</dev/null >/dev/null 2>&1 &
"""


class BuildSpaceError(SlugkitError):
    """The directory builds happen in cannot be made or written."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "build-space"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"Slugkit cannot build in {path}",
            details=found,
            resolution="Make it writable and give it room, or choose another place with\n"
            "--cache-dir or SLUGKIT_HOME.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpace:
    """Where one build happens, on this host."""

    root: Path

    @property
    def work_dir(self) -> Path:
        return self.root / "work"

    @property
    def build_dir(self) -> Path:
        return self.work_dir / "build"

    @property
    def cache_dir(self) -> Path:
        return self.work_dir / "cache"

    @property
    def env_dir(self) -> Path:
        return self.work_dir / "env"

    @property
    def buildpacks_dir(self) -> Path:
        return self.work_dir / "buildpacks"

    @property
    def scratch_dir(self) -> Path:
        """Where a tarball or a repository is unpacked; no sandbox sees it."""
        return self.root / "scratch"


def space_name(app: str, location: str) -> str:
    """``polls-1a2b3c4d``: an app's name, and which source of that name it is."""
    return f"{app}-{hashlib.sha256(os.fsencode(location)).hexdigest()[:8]}"


@contextlib.contextmanager
def opened_space(
    root: Path, *, keep_cache: bool, waiting: Callable[[str], None]
) -> Iterator[BuildSpace]:
    """The space at ``root``, locked, with fresh directories; cleared again at the end."""
    space = BuildSpace(root=root)
    try:
        # Ours, not the build's: who owns a directory can put links where we work in it.
        root.mkdir(parents=True, exist_ok=True, mode=0o755)
    except OSError as err:
        raise BuildSpaceError(root, str(err)) from err
    with _locked(root / "lock", waiting):
        try:
            _set_aside(space, keep_cache=keep_cache)
            _create(space)
        except OSError as err:
            raise BuildSpaceError(root, str(err)) from err
        try:
            yield space
        finally:
            _set_aside(space, keep_cache=keep_cache)
            _reap(space)


@contextlib.contextmanager
def _locked(lock: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(lock, timeout=LOCK_NOTICE_AFTER))
        except LockTimeoutError as err:
            waiting(f"Another build of this app is running (process {err.holder}); waiting for it.")
            stack.enter_context(locked(lock))
        yield


def _create(space: BuildSpace) -> None:
    for directory in (space.work_dir, space.cache_dir, *(space.work_dir / name for name in FRESH)):
        # ENV_DIR holds the config vars' values, for the build's eyes alone.
        directory.mkdir(exist_ok=True, mode=0o700 if directory == space.env_dir else 0o755)
        hand_over(directory)


def _set_aside(space: BuildSpace, *, keep_cache: bool) -> None:
    """Rename, never delete: deleting 14,000 files costs half a second that nobody need wait."""
    fading = [space.work_dir / name for name in FRESH] + [space.scratch_dir]
    if not keep_cache:
        fading.append(space.cache_dir)
    present = [path for path in fading if os.path.lexists(path)]
    if not present:
        return
    trash = space.root / f"trash-{os.getpid()}-{os.urandom(4).hex()}"
    trash.mkdir()
    for path in present:
        path.rename(trash / path.name)


def _reap(space: BuildSpace) -> None:
    # Secrets do not wait for the sweep. A build could have put a link in ENV_DIR's place.
    for env_dir in space.root.glob("trash-*/env"):
        remove_tree(env_dir)
    trash = tuple(os.fspath(path) for path in sorted(space.root.glob("trash-*")))
    if trash:
        argv = ("sh", "-c", _REAP, "sh", *trash)
        capture(Command(argv=argv, cwd=Path("/"), env={"PATH": "/usr/bin:/bin"}, timeout=10))
