"""Whether a web container answers yet, without ever waiting for it."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from typing import TYPE_CHECKING

from runner.engines.base import Address, RunningContainer, ShowsListeners

if TYPE_CHECKING:
    from ipaddress import IPv4Address

# All of IPv6, and all of IPv4 too unless the socket was told not to (IPV6_V6ONLY, as asyncio does).
ANY_IPV6 = "::"

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
            return self._has_listener(self._container)
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

    def _has_listener(self, container: ShowsListeners) -> bool:
        found = [each for each in container.listeners() if is_reachable(each, self._port)]
        if all(each.host == ANY_IPV6 for each in found):
            return any(container.takes_ipv4(each) for each in found)
        return True

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
    """Whether ``listener``, in a network of its own, takes connections from outside on ``port``.

    They come over IPv4. What listens on [::] may or may not take them.
    """
    if listener.port != port or listener.host == ANY_IPV6:
        return listener.port == port
    host = _ipv4(listener)
    return host is not None and not host.is_loopback


def _ipv4(listener: Address) -> IPv4Address | None:
    """The IPv4 address it listens on, also where it is written as an IPv6 one."""
    import ipaddress

    host = ipaddress.ip_address(listener.host)
    return host if isinstance(host, ipaddress.IPv4Address) else host.ipv4_mapped


def describe_listeners(found: tuple[Address, ...], port: int | None) -> str:
    """What a container listens on instead of its PORT, and what would help."""
    words = []
    for each in found:
        # Where the port is right, it is the address that nobody outside reaches.
        words.append(f"{each}{_hint(each) if each.port == port else ''}")
    return ", ".join(words) or "nothing"


def _hint(listener: Address) -> str:
    is_ipv6 = listener.host != "::1" and _ipv4(listener) is None
    why = "takes IPv6 only" if is_ipv6 else "only the container itself gets there"
    return f" ({why}: listen on 0.0.0.0)"
