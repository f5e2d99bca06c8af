"""Whether a web container answers yet, without ever waiting for it."""

from __future__ import annotations

import contextlib
import errno
import select
import socket

from runner.engines.base import Address, RunningContainer, ShowsListeners

# Behind a port forwarder (slirp4netns, docker-proxy) a connection is accepted before the app
# listens, and closed again at once when it does not. One that lives this long has reached it.
HOLD = 0.05


class ReadinessProbe:
    """Looks at one container each time ``is_ready`` is called; never blocks."""

    def __init__(self, container: RunningContainer, port: int) -> None:
        self._container = container
        self._port = port
        self._connection: socket.socket | None = None
        self._connected_at: float | None = None

    def is_ready(self, now: float) -> bool:
        """Whether PORT answers from outside the container; ``now`` is monotonic seconds."""
        if isinstance(self._container, ShowsListeners):
            return any(is_reachable(each, self._port) for each in self._container.listeners())
        if self._container.address is None:
            return False
        if self._connection is None:
            self._connect(self._container.address)
        return self._holds(now)

    def found_instead(self) -> tuple[Address, ...]:
        """What the container listens on, for the person who waits for PORT."""
        if isinstance(self._container, ShowsListeners):
            return self._container.listeners()
        return ()

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._connected_at = None

    def _connect(self, address: Address) -> None:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        code = self._connection.connect_ex((address.host, address.port))
        if code not in {0, errno.EINPROGRESS}:
            self.close()

    def _holds(self, now: float) -> bool:
        if self._connection is None:
            return False
        poller = select.poll()
        poller.register(self._connection, select.POLLIN | select.POLLOUT)
        events = dict(poller.poll(0)).get(self._connection.fileno(), 0)
        if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            self.close()
            return False
        if events & select.POLLIN and not self._has_greeting():
            self.close()
            return False
        if self._connected_at is None and events & select.POLLOUT:
            self._connected_at = now
        ready = self._connected_at is not None and now - self._connected_at >= HOLD
        if ready:
            self.close()
        return ready

    def _has_greeting(self) -> bool:
        """Readable means either bytes or that the other side has closed."""
        assert self._connection is not None
        with contextlib.suppress(OSError):
            return bool(self._connection.recv(1, socket.MSG_PEEK))
        return False


def is_reachable(listener: Address, port: int) -> bool:
    """Whether ``listener``, in a network of its own, takes connections from outside on ``port``."""
    import ipaddress

    return listener.port == port and not ipaddress.ip_address(listener.host).is_loopback


def describe_listeners(found: tuple[Address, ...], port: int | None) -> str:
    """What a container listens on instead of its PORT, and what would help."""
    words = []
    for each in found:
        # The port is right, so it is the address that nobody outside reaches.
        hint = " (only the container itself gets there: listen on 0.0.0.0)"
        words.append(f"{each}{hint if each.port == port else ''}")
    return ", ".join(words) or "nothing"
