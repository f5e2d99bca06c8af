"""Open files without a name: what is lent to bubblewrap, and nobody else reaches."""

from __future__ import annotations

import contextlib
import os


def off_command_line(
    bwrap: tuple[str, ...], lent: contextlib.ExitStack
) -> tuple[tuple[str, ...], int]:
    """bubblewrap with its options in an open file, and that file.

    It is a build's first process, and the build may read that one's command line: where its
    directories lie on this machine is none of its business.
    """
    at = bwrap.index("--")
    options = in_memory(b"".join(os.fsencode(word) + b"\0" for word in bwrap[1:at]))
    lent.callback(os.close, options)
    os.lseek(options, 0, os.SEEK_SET)
    return (bwrap[0], "--args", str(options), *bwrap[at:]), options


def in_memory(content: bytes) -> int:
    """An open file that holds ``content`` and has no name anybody could reach it by."""
    descriptor = os.memfd_create("slugc", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    return descriptor


def reopened(descriptor: int, lent: contextlib.ExitStack) -> int:
    """The same file, to be read from its beginning by one phase, whoever else reads it now."""
    if descriptor < 0:
        return descriptor  # not entered: shown, never started
    own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    lent.callback(os.close, own)
    return own
