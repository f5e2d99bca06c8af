"""Files and directories that appear whole, and never in the place of what is there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from buildpack.support.deletion import remove_tree
from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable_path
from buildpack.support.files import fsync_dir, publishing, require_replaceable


class TargetExistsError(SlugkitError):
    """Something is in the target's place already."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "target-exists"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{printable_path(path)} is there already",
            details="Nothing was written.",
            resolution="Give another target, or --force to replace it.",
        )


class TargetNotWrittenError(SlugkitError):
    """The system refuses the target, or ran out of room for it."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "target-not-written"

    def __init__(self, place: object, found: str) -> None:
        self.place, self.found = place, found
        super().__init__(
            f"{printable_path(place)} cannot be written",
            details=found,
            resolution="Nothing half-written was left there. Make room, or give another target.",
        )


class TerminalError(UsageError):
    """An archive would go to a screen."""

    id = "terminal"

    def __init__(self) -> None:
        super().__init__(
            "An archive is not written to a terminal",
            resolution="Send it to a file or a program:\n\n    slugc export app.slug - > app.tgz",
        )


@contextlib.contextmanager
def opened_output(place: str, *, force: bool) -> Iterator[BinaryIO]:
    """A new file at ``place``, or standard output for ``-``; whole when the block ends well."""
    if place == "-":
        if sys.stdout.isatty():
            raise TerminalError
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(place)
    require_free(path, force=force)
    if path.is_dir():
        raise TargetNotWrittenError(path, "It is a directory.")
    with _told(path), publishing(path) as temporary, temporary.open("xb") as out:
        yield out


@contextlib.contextmanager
def new_directory(path: Path, *, force: bool) -> Iterator[Path]:
    """A directory to fill, which takes the name ``path`` when the block ends well.

    An empty directory of that name is taken; ``force`` replaces another one.
    """
    require_free(path, force=force)
    if os.path.lexists(path) and _is_around_us(path):
        raise TargetNotWrittenError(path, "The current directory is in it.")
    beside = f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    temporary, old = path.parent / f"{beside}.tmp", path.parent / f"{beside}.old"
    with _told(path):
        require_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.mkdir()
            yield temporary
            if force and os.path.lexists(path):
                _exchange(temporary, path, old)
            else:
                temporary.rename(path)
            fsync_dir(path.parent)
        finally:
            remove_tree(temporary)


def _exchange(new: Path, path: Path, old: Path) -> None:
    """Put ``new`` at ``path``. What lies there goes when that is done, and comes back if not."""
    try:
        path.rename(old)
        new.rename(path)
    except BaseException:  # Ctrl-C too
        if os.path.lexists(old) and not os.path.lexists(path):
            old.rename(path)
        raise
    remove_tree(old)


def require_free(path: Path, *, force: bool) -> None:
    """Raise TargetExistsError where something would be replaced that may not be."""
    if force or not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir() or any(path.iterdir()):
        raise TargetExistsError(path)


def _is_around_us(path: Path) -> bool:
    try:
        return Path.cwd().is_relative_to(path.resolve())
    except FileNotFoundError:  # the current directory is gone
        return False


def write_all(out: BinaryIO, chunks: Iterable[bytes]) -> int:
    """Write the chunks and say how many bytes they were."""
    size = 0
    for chunk in chunks:
        out.write(chunk)
        size += len(chunk)
    return size


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system refuses, in words that name the target."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as err:
        raise TargetNotWrittenError(path, err.strerror or str(err)) from err
