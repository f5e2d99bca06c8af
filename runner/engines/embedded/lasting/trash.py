"""What containers leave: deleted at once where it is little, by a process of its own where not.

A container may make a million files under /app. To delete them takes minutes, and the supervisor
has one thread, which the app's log and its load balancer wait for. So such a tree is moved to a
directory of the run, and a process without haste empties that:

    python -m runner.engines.embedded.lasting.trash DIRECTORY

Killed at any moment, what is left is deleted by the next one, of this supervisor or its successor;
two at once take turns.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.command import Command, spawn
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import SlugkitError

if TYPE_CHECKING:
    from buildpack.support.command import Process

NAME = "trash"
LITTLE = 500  # files and directories: some ten milliseconds
NICENESS = 19


class Trash:
    """Deletes what ``root`` no longer needs."""

    def __init__(self, root: Path, env: Mapping[str, str]) -> None:
        self._directory, self._env = root / NAME, env
        self._process: Process | None = None

    def delete(self, home: Path) -> None:
        """A container's directory: now, if that takes no time. Missing is fine."""
        if not is_large(home / "upper"):
            remove_tree(home)
            return
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            home.rename(self._directory / f"{home.name}-{os.urandom(4).hex()}")
        except OSError:  # a full disk has no room for one more name
            remove_tree(home)
        self.empty()

    def empty(self) -> None:
        """See to it that somebody empties it, if there is anything; to be asked now and then."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = None
        if not self._directory.is_dir() or not any(self._directory.iterdir()):
            return
        argv = (sys.executable, "-m", __name__, str(self._directory))
        with contextlib.suppress(SlugkitError, OSError):  # no process to be had: asked again
            self._process = spawn(Command(argv=argv, env=self._env, cwd=Path("/")))

    def close(self) -> None:
        """Nobody works in it any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def is_large(tree: Path, most: int = LITTLE) -> bool:
    """Whether it has more than ``most`` files and directories, without looking at all of them."""
    left, count = [tree], 0
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    count += 1
                    if count > most:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        left.append(Path(entry.path))
        except FileNotFoundError:
            continue
        except OSError:  # locked by who made it, or too deep: nobody knows how much it is
            return True
    return False


def main(argv: Sequence[str]) -> int:
    """Delete all that is in the directory, also what comes meanwhile."""
    (name,) = argv
    os.nice(NICENESS)
    directory = Path(name)
    with contextlib.suppress(FileNotFoundError):  # the run has ended, and took it along
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        failed: set[Path] = set()
        while found := set(directory.iterdir()) - failed:
            for tree in found:
                try:
                    remove_tree(tree)
                except OSError:  # not now; the others are not to wait for it
                    failed.add(tree)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
