"""The process that carries connections of an app's containers to ports of this machine.

    python -m runner.engines.embedded.host_ports.process NAMESPACE SOCKET LIFELINE

All three are descriptors: the app's user namespace, the socket it is asked at, and the pipe whose
end is its own. It runs as who containers run as, in this machine's network; only a thread that
makes listening sockets goes into a container's, where it stays.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from buildpack.support.carrying import carry
from runner.engines.embedded.entering.walls import join_namespace
from runner.selecting import attend_ready
from slugc.privileges import drop_rights

OPENED = b"opened"

_CONNECT_PATIENCE = 10.0  # seconds
_ASK_PATIENCE = 5.0

# Each takes two threads here, outside every container's limits.
_MOST_CONNECTIONS = 512


class Serving:
    """What listens in containers, and the connections that came there."""

    def __init__(self, asked: socket.socket, lifeline: int) -> None:
        self._asked = asked
        self._selector = selectors.DefaultSelector()
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._is_over = False
        self._selector.register(asked, selectors.EVENT_READ, self._answer)
        self._selector.register(lifeline, selectors.EVENT_READ, self._end)

    def run(self) -> None:
        """Until the lifeline ends."""
        while not self._is_over:
            attend_ready(self._selector, None)

    def _end(self) -> None:
        self._is_over = True

    def _answer(self) -> None:
        """Open the ports that are asked for, in the network that comes along."""
        asker, _ = self._asked.accept()
        # Who has given up is told nothing; its container ends, and its ports with it.
        with asker, contextlib.suppress(ConnectionError, TimeoutError):
            asker.settimeout(_ASK_PATIENCE)
            text, descriptors, _, _ = socket.recv_fds(asker, 4096, 2)
            if not text:
                return
            network, init = descriptors
            try:
                listening = listen_inside(network, json.loads(text))
            except (OSError, RuntimeError) as err:  # the latter: no thread now (ulimit -u)
                os.close(init)
                asker.sendall(str(err).encode())
                return
            finally:
                os.close(network)
            for each in listening:
                take = partial(self._take, each, each.getsockname()[1])
                self._selector.register(each, selectors.EVENT_READ, take)
            forget = partial(self._forget, init, listening)
            self._selector.register(init, selectors.EVENT_READ, forget)
            asker.sendall(OPENED)

    def _forget(self, init: int, listening: Sequence[socket.socket]) -> None:
        """The container has ended; what listens would keep its network."""
        for each in listening:
            self._selector.unregister(each)
            each.close()
        self._selector.unregister(init)
        os.close(init)

    def _take(self, listening: socket.socket, port: int) -> None:
        try:
            inside, _ = listening.accept()
        except OSError as err:
            if err.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}:
                time.sleep(0.1)  # it stays readable: look again when others may have ended
            return
        if not self._free.acquire(blocking=False):
            inside.close()
            return
        try:
            in_thread(partial(self._carry, inside, port))
        except RuntimeError:  # no more threads now (ulimit -u): that is no end for the others
            self._free.release()
            inside.close()

    def _carry(self, inside: socket.socket, port: int) -> None:
        try:
            carry(inside, partial(connect_here, port))
        finally:
            self._free.release()


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def connect_here(port: int) -> socket.socket:
    """A connection to the port on this machine's loopback. Raises OSError."""
    with contextlib.suppress(ConnectionRefusedError):
        return _connect(socket.AF_INET, "127.0.0.1", port)
    return _connect(socket.AF_INET6, "::1", port)


def _connect(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # Not create_connection: it imports to look a name up, and we may read no file of ours by now.
    connection = socket.socket(family)
    try:
        connection.settimeout(_CONNECT_PATIENCE)
        connection.connect((host, port))
    except BaseException:
        connection.close()
        raise
    return connection


def listen_inside(network: int, ports: Sequence[int]) -> tuple[socket.socket, ...]:
    """Sockets that listen on ``ports`` of the loopback in ``network``. Raises OSError.

    A thread has a network of its own, which the threads it starts have as well. So one is made for
    this, and ends; those that connect to this machine come from who has never left it.
    """
    found: list[socket.socket] = []
    errors: list[OSError] = []

    def listen() -> None:
        try:
            join_namespace(network)
            found.extend(socket.create_server(("127.0.0.1", port)) for port in ports)
        except OSError as err:
            errors.append(err)

    in_thread(listen).join()
    for each in found if errors else ():
        each.close()
    if errors:
        raise errors[0]
    for each in found:
        each.setblocking(False)  # who has connected may be gone before we look
    return tuple(found)


def main(argv: Sequence[str]) -> int:
    namespace, asked, lifeline = (int(word) for word in argv)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    drop_rights()
    join_namespace(namespace)  # before there are threads: with them it is refused
    os.close(namespace)
    Serving(socket.socket(fileno=asked), lifeline).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
