"""Carries one TCP connection over from one network to another, until both ends are silent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

_PIECE = 256 * 1024
_RESET = struct.pack("ii", 1, 0)  # close(2) then sends RST, as from a port where nobody listens


def carry(inside: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Carry ``inside`` to where ``connect`` leads and back. That it leads nowhere is seen there."""
    with inside:
        try:
            outside = connect()
        except OSError:
            inside.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return
        with outside:
            outside.settimeout(None)
            back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
            back.start()
            _copy(inside, outside)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either end may hang up at any moment
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
