"""A receiver of logs, on this machine."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading


class Receiver:
    """A server on this machine that remembers what it was sent; ``context`` adds TLS."""

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.received = b""
        self._context = context
        self._server = socket.create_server(("localhost", port))
        self.port = self._server.getsockname()[1]
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        while chunk := self._chunk(connection):
            self.received += chunk

    @staticmethod
    def _chunk(connection: socket.socket) -> bytes:
        try:
            return connection.recv(65536)
        except OSError:
            return b""

    def messages(self) -> list[str]:
        found, rest = [], self.received
        while rest:
            length, _, rest = rest.partition(b" ")
            found.append(rest[: int(length)].decode())
            rest = rest[int(length) :]
        return found

    def texts(self) -> list[str]:
        return [message.partition(" - - ")[2] for message in self.messages()]

    def has(self, text: str) -> bool:
        return text in self.texts()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for each in self._connections:
            with contextlib.suppress(OSError):  # the other side may have gone first
                each.shutdown(socket.SHUT_RDWR)
            each.close()
