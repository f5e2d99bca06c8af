"""The system call filter, made once in a boot: libseccomp and its rules take milliseconds.

It is kept where sockets are, in a directory that only who starts containers may write to and that
is emptied at each boot, under a name that changes with the files it is made from.
"""

from __future__ import annotations

import os
from pathlib import Path

import buildpack.support

_SOURCES = ("seccomp.py", "syscalls.py")
_NAME = "seccomp-"


def filter_program(directory: Path) -> bytes:
    """The filter for this machine; ``directory`` is ours alone (rundir checks that)."""
    file = directory / f"{_NAME}{_identity()}"
    if file.is_file() and (stored := file.read_bytes()):
        return stored
    # Not before: it is not needed at most starts.
    from buildpack.support import seccomp
    from buildpack.support.files import write_atomically
    from runner.engines.rundir import forget_oldest

    program = seccomp.filter_program()
    write_atomically(file, program)
    forget_oldest(directory, _NAME)  # of other versions of Slugkit
    return program


def _identity() -> str:
    """Which version of the rules, of what turns them into a filter, and of the kernel."""
    rules = Path(buildpack.support.__file__).parent
    found = [(rules / name).stat() for name in _SOURCES]
    kernel = os.uname()
    parts = [f"{each.st_mtime_ns:x}-{each.st_size:x}" for each in found]
    return "-".join([kernel.machine, kernel.release, *parts])
