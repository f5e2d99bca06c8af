"""Live state on disk: made private, locked while its run lives, swept once the run is dead.

A run is alive while somebody holds its lock; the kernel lets go when slug-run dies, however it
dies. So the next start knows what is left over without trusting process ids or clocks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from buildpack.support.deletion import remove_tree
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.locks import is_locked, locked
from buildpack.support.values import value
from slugc.privileges import hand_over, let_through

# sockaddr_un holds 108 bytes with the final NUL
SOCKET_PATH_MAX = 107
_LOCK_NAME = "lock"
_KEPT = 8
ROOTS_SOCKETS = Path("/run/slugkit")
ROOT_LINK = "run"
"""Among a run's sockets: where its other directory is, whose lock says whether it lives."""


class RunDirError(SlugkitError):
    """A directory for live state is not ours alone, so nothing is put into it."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "run-dir"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The run directory {path} cannot be used",
            details=found,
            resolution="Remove it, or set XDG_RUNTIME_DIR to a directory of your own.",
        )


@value
class RunDir:
    """One run's directories: ``root`` on disk for file systems, ``sockets`` with a short path."""

    id: str
    root: Path
    sockets: Path
    lock: int
    """Held open, and so locked, for as long as we live."""

    def remove(self) -> None:
        """Delete both directories and let go of the lock."""
        remove_tree(self.sockets)
        remove_tree(self.root)
        os.close(self.lock)
        from runner.engines.left_sockets import sweep_left_sockets  # a start does without

        sweep_left_sockets(self.sockets.parent)


def create_run_dir(data_dir: Path, env: Mapping[str, str], *, engine: str) -> RunDir:
    """A fresh, locked run directory under ``data_dir``/run, of the engine called ``engine``."""
    runs = _private_dir(data_dir / "run")
    sockets_directory = sockets_root(env)
    run_id = f"{engine}-{os.urandom(4).hex()}"
    with locked(runs / ".lock", timeout=10):
        root = runs / run_id
        root.mkdir(mode=0o700)
        lock = os.open(root / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        let_through(root)
    sockets = sockets_directory / run_id
    sockets.mkdir(mode=0o700)
    (sockets / ROOT_LINK).symlink_to(root)
    hand_over(sockets)
    return RunDir(id=run_id, root=root, sockets=sockets, lock=lock)


def find_run_dir(data_dir: Path, env: Mapping[str, str], run_id: str, lock: int) -> RunDir | None:
    """The run directory of somebody who gave us its ``lock``; None if it is not there."""
    run = RunDir(
        id=run_id,
        root=_private_dir(data_dir / "run") / run_id,
        sockets=sockets_root(env) / run_id,
        lock=lock,
    )
    return run if run.root.is_dir() and run.sockets.is_dir() else None


def sweep(
    data_dir: Path, env: Mapping[str, str], *, engine: str, also: Callable[[str], None]
) -> tuple[str, ...]:
    """Remove what dead runs of an engine have left; ``also`` gets each one's id first.

    Other engines' runs stay: only they know what else belongs to one.
    """
    runs = data_dir / "run"
    if not runs.is_dir():
        return ()
    sockets = sockets_root(env)
    with locked(_private_dir(runs) / ".lock", timeout=10):
        dead = dead_runs(data_dir, engine=engine)
    # Others may begin meanwhile: it can take long, and who is dead stays so.
    return tuple(run_id for run_id in dead if _removed(run_id, runs, sockets, also))


def _removed(run_id: str, runs: Path, sockets: Path, also: Callable[[str], None]) -> bool:
    """Whether all is gone. What cannot be removed now is left to the next start, which is not to
    fail for it; `slug-run doctor` tells of it."""
    try:
        also(run_id)
        remove_tree(sockets / run_id)
        remove_tree(runs / run_id)
    except OSError:
        return False
    return True


def dead_runs(data_dir: Path, *, engine: str) -> tuple[str, ...]:
    """The runs of an engine that left something and are no more."""
    found = sorted((data_dir / "run").glob(f"{engine}-*"))
    # Without a lock it was killed between making the directory and its lock.
    return tuple(path.name for path in found if not is_locked(path / _LOCK_NAME))


def sockets_root(env: Mapping[str, str]) -> Path:
    """Where sockets go, made if it is not there: nobody else's."""
    return _private_dir(sockets_path(env))


def sockets_path(env: Mapping[str, str]) -> Path:
    """Where that is: short enough for AF_UNIX."""
    for path in _socket_candidates(env):
        if len(os.fsencode(path)) + len("/embedded-12345678/slirp.sock") < SOCKET_PATH_MAX:
            return path
    raise RunDirError(Path(env.get("XDG_RUNTIME_DIR", "")), "Its path is too long for a socket.")


def _socket_candidates(env: Mapping[str, str]) -> Iterator[Path]:
    if os.getuid() == 0:
        yield ROOTS_SOCKETS
        return
    if (runtime := env.get("XDG_RUNTIME_DIR")) and os.access(runtime, os.W_OK):
        yield Path(runtime) / "slugkit"
    yield Path(f"/tmp/slugkit-{os.getuid()}")  # noqa: S108  # checked to be ours alone below


def forget_oldest(directory: Path, prefix: str) -> None:
    """Of small files that may be made again, and otherwise are there until the next boot."""
    found: list[tuple[int, Path]] = []
    for path in directory.glob(f"{prefix}*"):
        with contextlib.suppress(FileNotFoundError):  # another start does the same
            found.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(found)[:-_KEPT]:
        path.unlink(missing_ok=True)


def _private_dir(path: Path) -> Path:
    """``path`` as a directory that is ours, as open as it has to be: somebody else's, or a link,
    is refused."""
    mode = 0o711 if os.getuid() == 0 else 0o700
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode, parents=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise RunDirError(path, "It is not a directory.")
    if found.st_uid != os.getuid():
        raise RunDirError(path, f"It belongs to uid {found.st_uid}, not to uid {os.getuid()}.")
    if found.st_mode & 0o022:
        raise RunDirError(path, f"Others may write there (mode {found.st_mode & 0o777:04o}).")
    if found.st_mode & 0o777 != mode:
        # Our umask, or somebody has changed it: slirp4netns would find no way to its socket.
        path.chmod(mode)
    return path
