"""The standard streams of a program: there, buffered, and told of when nobody can be told."""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TextIO

from buildpack.support.errors import ExitCode, SlugkitError


class OutputError(SlugkitError):
    """There is no room where our standard output goes, or it can be written no more."""

    id = "standard-output"

    def __init__(self, cause: OSError) -> None:
        super().__init__(
            f"Standard output could not be written: {cause.strerror}",
            resolution="Only the answer is missing: what was asked for may have been done. "
            "Make\nroom where the output goes, or send it elsewhere, then ask again.",
        )


def settle_streams() -> None:
    """Open the standard streams that somebody has closed, and buffer our output.

    PYTHONUNBUFFERED is meant for the app. To us it would be a second way to fail, in the middle
    of what is written.
    """
    if None in {sys.stdin, sys.stdout, sys.stderr}:
        _open_closed_streams()
    ours = sys.__stdout__
    if "PYTHONUNBUFFERED" in os.environ and ours is not None and ours is sys.stdout:
        sys.stdout = open(1, "w", encoding=ours.encoding, errors=ours.errors, closefd=False)  # noqa: SIM115  # until we end


def _open_closed_streams() -> None:
    """Let nobody write into a file of ours that got the number of a stream that was closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # standard error
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115  # until we end
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115  # as above
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115  # as above


def has_no_reader(descriptor: int, error: OSError) -> bool:
    """Whether ``error``, of writing there, says that whoever read has gone away.

    A pipe's reader, a socket's peer, or a person who has closed the terminal. A disk that fails
    gives the same EIO as that, and is another matter.
    """
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return True
    # isatty says no of a terminal that was closed
    return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(descriptor).st_mode)


def tell_unwritten(error: OSError, *, code: int) -> int:
    """The exit code of a program that could not write its output; ``code`` if it is a failure.

    What nobody reads any more ends it as SIGPIPE would; all else is told.
    """
    _discard(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return code or 141
    from buildpack.support.machine import MACHINE_ERRORS
    from buildpack.support.output import Output, wants_color

    try:
        Output(out=sys.stderr, color=wants_color(sys.stderr, os.environ)).error(OutputError(error))
    except OSError:  # it goes where there is no room as well: the exit code tells
        _discard(sys.stderr)
    return code or int(MACHINE_ERRORS.get(error.errno or 0, ExitCode.IO))


def _discard(stream: TextIO) -> None:
    """Python must not try to write it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
