"""The directories of one app's builds: its cache, which lasts, and a build dir made anew each time.

ROOT/lock            held for a whole build; two builds of one app wait for each other
ROOT/work/           what a sandbox sees as /tmp, on one file system for buildpacks that link
    build_5106c0de/ env/ buildpacks/ finished/
                                     made for one build, as is whatever its programs put beside them
    cache/                           kept from build to build
    previous/                        the tree that the last build left, if it succeeded
ROOT/home/           HOME of the phases, made for one build
ROOT/buildpacks/     the copies the last build used, if it succeeded (buildpack_copies.py)
ROOT/seals/          what the last build packed (layer_memory.py), and those copies
ROOT/trash-*/        what earlier builds left, emptied behind the back of the person who waits
ROOT/empty-*/        their directories, without a file: see EMPTY_KEPT
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, capture
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.locks import LockTimeoutError, locked
from buildpack.support.values import value
from slugc.moving import is_real_dir, move
from slugc.privileges import hand_over

BUILD = "build_5106c0de"
"""The build dir's name, of the form it has on Heroku: /tmp/build_ and eight hexadecimal digits.

Always the same, so that a buildpack which writes the build path writes the same bytes.
"""
CACHE = "cache"
PREVIOUS = "previous"
FINISHED = "finished"
FRESH = (BUILD, "env", "buildpacks", FINISHED)
KEPT = frozenset({CACHE, PREVIOUS})
LOCK_NOTICE_AFTER = 0.2  # seconds; then the person who waits is told what for

EMPTY_KEPT = 8
"""Emptied build dirs that may lie about; one more, and all of them are deleted at once.

ext4 without a journal does not hand out an inode again for one to five minutes after it was freed
("recently_deleted" in fs/ext4/ialloc.c), and looks at every such inode for each file or directory
it makes: a build soon after one whose 3,000 directories were deleted took several times as long.
Files give their room back at once: most are links, whose inodes stay.
"""
EMPTY_LASTS = 900.0  # seconds; a build after that finds directories to delete, and does

# Works in the background, with everything closed: a pipe that reads our output must not wait for
# it. A directory a build made unreadable is made readable first.
_REAP = """\
{
until [ "$1" = -- ]; do
  find "$1" ! -type d -delete && mv -- "$1" "${1%/*}/empty-${1##*/trash-}" ||
    { chmod -R u+rwX -- "$1"; rm -rf -- "$1"; }
  shift
done
rm -rf "$@"
} </dev/null >/dev/null 2>&1 &
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


class NoExecError(BuildSpaceError):
    """Buildpacks are programs, which the mount they would be on does not let start."""

    id = "build-space-noexec"

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "It is on a file system mounted with noexec, from which no program can be started.",
        )
        self.resolution = (
            "Choose a place on another file system with --cache-dir or SLUGKIT_HOME, or mount\n"
            "this one without noexec."
        )


@value
class BuildSpace:
    """Where one build happens, on this host."""

    root: Path

    @property
    def work_dir(self) -> Path:
        return self.root / "work"

    @property
    def build_dir(self) -> Path:
        return self.work_dir / BUILD

    @property
    def cache_dir(self) -> Path:
        return self.work_dir / CACHE

    @property
    def previous_dir(self) -> Path:
        """What the last build made of its build dir, for buildpacks to move parts out of."""
        return self.work_dir / PREVIOUS

    @property
    def env_dir(self) -> Path:
        return self.work_dir / "env"

    @property
    def finished_dir(self) -> Path:
        """Where buildpacks say which layers they have finished, each by a file of its name."""
        return self.work_dir / FINISHED

    @property
    def buildpacks_dir(self) -> Path:
        return self.work_dir / "buildpacks"

    @property
    def last_buildpacks_dir(self) -> Path:
        """The copies of the last build, which may have put anything there; no sandbox sees it."""
        return self.root / "buildpacks"

    @property
    def home_dir(self) -> Path:
        """Seen by every sandbox, in a place that no build can put anything else in."""
        return self.root / "home"

    @property
    def seals_dir(self) -> Path:
        """What we know of the layers of the last build; no sandbox sees it."""
        return self.root / "seals"

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
            for begun in space.seals_dir.glob(".*.tmp"):
                begun.unlink()  # by a build that was killed: we hold the lock
            _create(space)
        except OSError as err:
            raise BuildSpaceError(root, str(err)) from err
        succeeded = False
        try:
            yield space
            succeeded = True
        finally:
            _set_aside(space, keep_cache=keep_cache, keep_build=succeeded and keep_cache)
            _reap(space)


@contextlib.contextmanager
def temporary_space(data_dir: Path) -> Iterator[BuildSpace]:
    """A space to look at a source in, which is gone afterwards."""
    from slugc.scratch import SCRATCH, opened_scratch  # most builds do without

    with contextlib.ExitStack() as scratch:
        try:
            space = BuildSpace(root=scratch.enter_context(opened_scratch(data_dir)))
            _create(space)
        except OSError as err:
            raise BuildSpaceError(data_dir / SCRATCH, str(err)) from err
        yield space


def drop_cache(space: BuildSpace) -> None:
    """Begin with an empty cache in a space that is already open."""
    _to_trash(space, [space.cache_dir, space.previous_dir])
    space.cache_dir.mkdir(mode=0o755)
    hand_over(space.cache_dir)


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
    fresh = (space.work_dir / name for name in FRESH)
    for directory in (space.work_dir, space.home_dir, space.cache_dir, *fresh):
        # ENV_DIR holds the config vars' values, for the build's eyes alone.
        directory.mkdir(exist_ok=True, mode=0o700 if directory == space.env_dir else 0o755)
        hand_over(directory)
    if os.statvfs(space.work_dir).f_flag & os.ST_NOEXEC:
        raise NoExecError(space.root)


def _set_aside(space: BuildSpace, *, keep_cache: bool, keep_build: bool = False) -> None:
    """Rename, never delete: deleting 14,000 files costs half a second that nobody need wait.

    ``keep_build`` makes build dir and buildpacks the last ones; what is left of those goes.
    """
    fading = [*_made_for_one_build(space), space.home_dir, space.scratch_dir]
    if not keep_cache:
        fading += [space.cache_dir, space.previous_dir, space.last_buildpacks_dir, space.seals_dir]
    lasting = {}
    if keep_build:
        lasting = {
            space.build_dir: space.previous_dir,
            space.buildpacks_dir: space.last_buildpacks_dir,
        }
    _to_trash(space, list(dict.fromkeys(lasting.get(path, path) for path in fading)))
    for made, kept in lasting.items():
        if os.path.lexists(made):
            move(made, kept)


def _made_for_one_build(space: BuildSpace) -> list[Path]:
    """Everything in the work directory that does not last: a build's /tmp too ends with it.

    A build may put something else in the place of what lasts, or close its /tmp to everybody.
    """
    if not space.work_dir.is_dir():
        return []
    space.work_dir.chmod(0o755)
    return [
        path for path in space.work_dir.iterdir() if path.name not in KEPT or not is_real_dir(path)
    ]


def _to_trash(space: BuildSpace, paths: Sequence[Path]) -> None:
    present = [path for path in paths if os.path.lexists(path)]
    if not present:
        return
    trash = space.root / f"trash-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        trash.mkdir()
    except OSError as err:
        if err.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        for path in present:  # the disk is full, so that people wait for the room
            remove_tree(path)
        return
    ours = {*FRESH, *KEPT}
    for number, path in enumerate(present):
        # A build may name things in its /tmp as it likes: as what we move here, or very long.
        is_ours = path.parent != space.work_dir or path.name in ours
        move(path, trash / (path.name if is_ours else str(number)))


def _reap(space: BuildSpace) -> None:
    # Secrets do not wait for the sweep. A build could have put a link in ENV_DIR's place.
    for env_dir in space.root.glob("trash-*/env"):
        remove_tree(env_dir)
    trash = tuple(os.fspath(path) for path in sorted(space.root.glob("trash-*")))
    argv = ("nice", "-n", "19", "sh", "-c", _REAP, "sh", *trash, "--", *_old_empties(space))
    with contextlib.suppress(CommandFailedError):  # no process more is to be had: the next build's
        capture(Command(argv=argv, cwd=Path("/"), env={"PATH": "/usr/bin:/bin"}, timeout=10))


def _old_empties(space: BuildSpace) -> tuple[str, ...]:
    """All emptied build dirs once there are too many or one is too old, else none."""
    found = {os.fspath(path): path.lstat().st_mtime for path in space.root.glob("empty-*")}
    too_old = time.time() - EMPTY_LASTS
    if len(found) < EMPTY_KEPT and all(changed > too_old for changed in found.values()):
        return ()
    return tuple(sorted(found))
