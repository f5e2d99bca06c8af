"""What a machine may have no more of: not a mistake of anybody's, and no bug of ours."""

from __future__ import annotations

import errno
import os

from buildpack.support.errors import ExitCode, SlugkitError, printable_path

# What the machine refuses, not we: told in its words, and with the code of its class.
MACHINE_ERRORS = {
    errno.ENOSPC: ExitCode.CANNOT_CREATE,
    errno.EDQUOT: ExitCode.CANNOT_CREATE,
    errno.EROFS: ExitCode.CANNOT_CREATE,
    errno.EIO: ExitCode.IO,
    errno.EMFILE: ExitCode.TRY_AGAIN,
    errno.ENFILE: ExitCode.TRY_AGAIN,
    errno.ENOMEM: ExitCode.TRY_AGAIN,
    errno.EAGAIN: ExitCode.TRY_AGAIN,
}


_LIMITS = {
    errno.EAGAIN: "This user or control group may have no more processes and threads. Allow more\n"
    "(ulimit -u, pids.max), then try again.",
    errno.ENOMEM: "It may have no more memory. Allow more (ulimit -v, memory.max), or end what\n"
    "needs so much, then try again.",
}


# Not of a place where something is written: told as what they are, whatever was being done.
LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


def refused_process(said: str) -> OSError | None:
    """The machine's refusal of one more process that a program (LC_ALL=C) tells of, if it does."""
    text = os.strerror(errno.EAGAIN)
    if text in said or "Cannot fork" in said:  # the latter is dash's
        return BlockingIOError(errno.EAGAIN, text)
    return None


def refused_by_machine(err: BaseException) -> OSError | None:
    """The refusal of the machine's that ``err`` tells of, if it does.

    Python has words of its own for a thread that cannot be started, and for memory.
    """
    if isinstance(err, OSError) and err.errno in MACHINE_ERRORS:
        return err
    if isinstance(err, MemoryError):
        return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    if isinstance(err, RuntimeError) and str(err) == "can't start new thread":
        return OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return None


class MachineError(SlugkitError):
    """The disk is full, a limit of the system is reached, a device fails."""

    id = "machine"

    def __init__(
        self,
        cause: OSError,
        *,
        who: str = "The build",
        advice: str = "Nothing was written. Make room or lift the limit, then build again.",
    ) -> None:
        self.cause = cause
        where = f" ({printable_path(cause.filename)})" if cause.filename else ""
        if cause.errno == errno.EMFILE:
            import resource  # a mistake is rare

            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            advice = f"This process may have {limit} open. Allow more: ulimit -n 1024"
        advice = _LIMITS.get(cause.errno or 0, advice)
        super().__init__(f"{who} could not go on: {cause.strerror}{where}", resolution=advice)
