"""Reading a small file of a source: never through a link, never for ever, never without limit."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.files import kind_of


class SmallFileError(SlugkitError):
    """A file of the source that cannot be read as what it should be."""

    exit_code = ExitCode.DATA
    id = "small-file"

    def __init__(self, name: str, found: str) -> None:
        self.name, self.found = name, found
        super().__init__(
            f"The {name} cannot be used", details=found, resolution="Replace it by a regular file."
        )


def read_small_file(top: Path, name: str, *, limit: int) -> bytes | None:
    """The content of ``name`` in ``top``; None when it is not there.

    A link could show a file of the machine that builds.
    """

    def refuse(found: str) -> SmallFileError:
        return SmallFileError(name, found)

    return read_bounded(top / name, limit=limit, flags=os.O_NOFOLLOW, refuse=refuse)


def read_bounded(
    path: Path, *, limit: int, refuse: Callable[[str], SlugkitError], flags: int = 0
) -> bytes | None:
    """The content of a regular file of at most ``limit`` bytes; None when there is none.

    What ``refuse`` makes of the reason is raised for anything else; ``flags`` are further ones of
    open(2). Never waits for the other end of a FIFO.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        if err.errno in {errno.ELOOP, errno.ENXIO}:  # a link, a socket
            raise refuse(f"It is {kind_of(path)}.") from err
        raise refuse(f"It cannot be opened: {err.strerror}.") from err
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise refuse(f"It is {kind_of(path)}.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise refuse(f"It is larger than {limit // 1024:,} KiB.")
    return content
