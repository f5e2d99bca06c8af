"""The supervisor's ear: a socket in the app's private directory, one JSON document a line.

A client sends one request, ``{"do": "reconcile"}`` for one, and is sent events until its request
is answered: ``{"event": "accepted"}`` first, then ``settled``, ``containers`` or ``usage`` as the
last.
Who may open the directory may say everything; nobody else can.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

NAME = "control"
LONGEST_REQUEST = 64 * 1024
MOST_UNSENT = 4 * 1024 * 1024
BACKLOG = 64

Handler = Callable[["Client", Mapping[str, object]], None]


def address_in(directory: int) -> str:
    """The socket's address: short, however long the directory's own path is (AF_UNIX has 107)."""
    return f"/proc/self/fd/{directory}/{NAME}"


@contextlib.contextmanager
def _opened(directory: Path):  # type: ignore[no-untyped-def]  # a number for a moment
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def connected(directory: Path) -> socket.socket:
    """A connection to the supervisor. Raises OSError when nobody listens."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _opened(directory) as descriptor:
            client.connect(address_in(descriptor))
    except OSError:
        client.close()
        raise
    return client


class Client:
    """One connection, as the supervisor sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.is_waiting = False
        """for all to be settled; it gets every event meanwhile"""
        self.is_open = True
        """whether anything is still to be said"""
        self.received = b""
        self.unsent = bytearray()

    def send(self, event: Mapping[str, object]) -> None:
        """Never waits: who does not read is not told any more, after some megabytes."""
        if len(self.unsent) > MOST_UNSENT:
            self.give_up()
        if self.is_open:
            self.unsent += json.dumps(dict(event)).encode() + b"\n"
            self.flush()

    def flush(self) -> None:
        """Send what there is room for now."""
        try:
            while self.unsent:
                del self.unsent[: self.connection.send(self.unsent)]
        except BlockingIOError:
            return
        except OSError:
            self.give_up()

    def give_up(self) -> None:
        """Nobody is there."""
        self.is_open = False
        self.unsent.clear()

    @property
    def wants(self) -> int:
        """What to wait for; nothing once all is said."""
        reading = selectors.EVENT_READ if self.is_open else 0
        return reading | (selectors.EVENT_WRITE if self.unsent else 0)


class Control:
    """Listens, and hands each request to ``handle``."""

    def __init__(
        self, directory: Path, *, selector: selectors.BaseSelector, handle: Handler
    ) -> None:
        self._selector, self._handle = selector, handle
        self._directory = directory
        self._clients: list[Client] = []
        # Whoever had it before is dead: the directory's lock is ours.
        (directory / NAME).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with _opened(directory) as descriptor:
            self._listener.bind(address_in(descriptor))
        self._listener.listen(BACKLOG)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def tell(self, event: Mapping[str, object]) -> None:
        """Send an event to everybody who waits."""
        for client in self._clients:
            if client.is_waiting:
                client.send(event)
        self._forget_closed()

    def finish_waiting(self, event: Mapping[str, object]) -> None:
        """Send the last event to everybody who waits."""
        for client in self._clients:
            if client.is_waiting:
                client.send(event)
                client.is_open = False
        self._forget_closed()

    @property
    def is_awaited(self) -> bool:
        return any(client.is_waiting for client in self._clients)

    def close(self) -> None:
        """Nobody can ask any more."""
        (self._directory / NAME).unlink(missing_ok=True)
        for client in self._clients:
            client.give_up()
        self._forget_closed()
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        client = Client(connection)
        self._clients.append(client)
        self._selector.register(connection, client.wants, lambda: self._attend(client))

    def _attend(self, client: Client) -> None:
        client.flush()
        if client.is_open:
            self._read(client)
        self._forget_closed()

    def _read(self, client: Client) -> None:
        try:
            chunk = client.connection.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except ConnectionResetError:
            chunk = b""
        client.received += chunk
        if not chunk or len(client.received) > LONGEST_REQUEST:
            client.give_up()
        elif client.received.endswith(b"\n"):
            line, client.received = client.received, b""
            self._hear(client, line)

    def _hear(self, client: Client, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if isinstance(request, dict):
            self._handle(client, request)
        else:
            client.is_open = False

    def _forget_closed(self) -> None:
        """Close what all is said to; wait for the right things of the others."""
        for client in self._clients:
            if not client.wants:
                self._selector.unregister(client.connection)
                client.connection.close()
                continue
            key = self._selector.get_key(client.connection)
            if key.events != client.wants:
                self._selector.modify(client.connection, client.wants, key.data)
        self._clients = [client for client in self._clients if client.wants]
