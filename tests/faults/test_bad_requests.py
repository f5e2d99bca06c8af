"""Requests that no good client sends, to the door of an app that is left running.

Each is refused, or reaches the app as exactly what the router's log tells of it; and others are
answered meanwhile.
"""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.integration.router_support import FILES, ask
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.places import open_place
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.embedded]

SLOW_CLIENTS = 100
IDLE_CLIENTS = 2000
SMUGGLED = "GET /told/smuggled HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with open_place() as place:
        found = deployed(place / "site", port=free_port(), files=FILES)
        found.start("web=2")
        yield found
        found.must("stop")


def said(port: int, asked: bytes) -> bytes:
    """Everything that is answered until the connection is closed, or idle for a moment."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        found = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(asked)
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while chunk := client.recv(65536):
                found += chunk
                client.settimeout(0.3)
        return found


def statuses(answers: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answers)]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505),
        ("GET /\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", 400),
        (f"GET / HTTP/1.1\r\nHost: a\r\nA: {'a' * 200_000}\r\n\r\n", 431),
        (f"GET /{'a' * 200_000} HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + "A: a\r\n" * 10_000 + "\r\n", 431),
        ("GET /told/old HTTP/1.0\r\n\r\n", 200),
        ("GET http://elsewhere/told/whole HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ],
)
def test_what_is_no_request_is_refused(site: Site, asked: str, status: int) -> None:
    assert statuses(said(site.port, asked.encode())) == [status]


AMBIGUOUS = (
    ("both", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("reversed", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", "0\r\n\r\n"),
    ("two", "Content-Length: 0\r\nContent-Length: 50\r\n", ""),
    ("list", "Content-Length: 0, 50\r\n", ""),
    ("signed", "Content-Length: +0\r\n", ""),
    ("negative", "Content-Length: -1\r\n", ""),
    ("spaced", "Content-Length : 50\r\n", ""),
    ("folded", "A: b\r\n Content-Length: 50\r\n", ""),
    ("unknown", "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n", ""),
    ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    ("last", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    ("tabbed", "Transfer-Encoding:\tchunked\r\nContent-Length: 6\r\n", "0\r\n\r\n"),
    ("chunk", "Transfer-Encoding: chunked\r\n", "0;\n\r\n\r\n"),
    ("large", "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
)
"""What tells two servers different ends of one request."""


def test_no_request_is_hidden_in_another(site: Site) -> None:
    """Where one is read as two, both are told of, and each is answered."""
    reached = 0
    for name, headers, body in AMBIGUOUS:
        asked = f"POST /told/{name} HTTP/1.1\r\nHost: here\r\n{headers}\r\n{body}{SMUGGLED}"
        found = statuses(said(site.port, asked.encode()))
        assert found, name
        assert set(found) <= {200, 400, 501, 503}, name
        reached += found.count(200)
    until(lambda: len(told(site)) == len(asked_of_apps(site)) >= reached, site.log)
    assert told(site) == asked_of_apps(site)


def told(site: Site) -> list[str]:
    """The paths in the router's lines of what was answered well."""
    lines = site.log("-d", "router")
    return sorted(re.findall(r' path="(/told[^"]*)".* status=200 ', lines))


def asked_of_apps(site: Site) -> list[str]:
    """The paths that containers say they were asked for."""
    return sorted(re.findall(r"app\[web\.\d\]: told (\S+)", site.log()))


def test_slow_and_idle_clients_keep_nobody_else_waiting(site: Site) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        slow = [connected(stack, site.port) for _ in range(SLOW_CLIENTS)]
        idle = [connected(stack, site.port) for _ in range(min(IDLE_CLIENTS, most - 500))]
        deadline = time.monotonic() + PATIENCE
        while slow and time.monotonic() < deadline:
            assert ask(site.port, "/").status == 200
            slow = still_open(slow)
            time.sleep(0.5)
        assert slow == []
        assert idle
    assert ask(site.port, "/").status == 200
    assert "The load balancer" not in site.log()


def connected(stack: contextlib.ExitStack, port: int) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))


def still_open(clients: Sequence[socket.socket]) -> list[socket.socket]:
    """Those that could send one more byte of a header that never ends."""
    found = []
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(b"G")
            client.setblocking(False)
            try:
                if client.recv(1):
                    continue
            except BlockingIOError:
                found.append(client)
    return found
