"""Reading a small file of a source: never through a link, never for ever, never without limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError


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

    A link could show a file of the machine that builds; opening a FIFO would wait for ever.
    """
    try:
        descriptor = os.open(top / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as err:  # ELOOP for a link, ENXIO for a socket, EACCES
        raise SmallFileError(name, f"It cannot be opened: {err.strerror}.") from err
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SmallFileError(name, "It is not a regular file.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise SmallFileError(name, f"It is larger than {limit // 1024} KiB.")
    return content
