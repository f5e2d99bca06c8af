"""A terminal of the container's own: one that has a name in there, which tty and screen ask for."""

from __future__ import annotations

import array  # noqa: F401  # what sends descriptors imports it late, where there is no such file
import os
import socket
from typing import NoReturn

from runner.engines.embedded.entering import walls
from runner.engines.embedded.entering.door import Door
from slugc.privileges import drop_rights


def open_terminal(door: Door) -> tuple[int, int]:
    """Both sides, the window's first. Raises PermissionError.

    Each container has terminals of its own (devpts), so a child of ours makes one in there.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            _send_terminal(theirs, door)
        theirs.close()
        _, sides, _, _ = socket.recv_fds(ours, 1, 2, socket.MSG_CMSG_CLOEXEC)
        os.waitpid(child, 0)
    if len(sides) != 2:
        raise PermissionError("No terminal could be made in there.")
    return sides[0], sides[1]


def _send_terminal(channel: socket.socket, door: Door) -> NoReturn:
    """The child's whole life."""
    try:
        drop_rights()
        walls.be_opaque()
        for step in door.steps:
            walls.join_namespace(step)
        socket.send_fds(channel, [b"."], os.openpty())
    finally:
        os._exit(0)  # none of the parent's clean-up is ours; what we sent tells how it went
