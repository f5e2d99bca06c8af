"""The real load balancer: nothing is lost while the servers behind it change."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runner.engines.base import Address
from runner.front import find_caddy
from runner.router import Router, RouterError
from tests.integration.support import free_port

pytestmark = pytest.mark.integration

CHANGES = 40
CLIENTS = 4


class Slow(BaseHTTPRequestHandler):
    """Answers in pieces, so that a change of servers finds requests under way."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"a", b"b"):
            self.wfile.write(b"1\r\n" + piece + b"\r\n")
            self.wfile.flush()
            time.sleep(0.02)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Silent: the test's output is the test's."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@pytest.fixture
def servers() -> Iterator[tuple[Address, Address]]:
    running = [Server(("127.0.0.1", 0), Slow) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in running]
    for thread in threads:
        thread.start()
    first, second = (Address(host="127.0.0.1", port=server.server_port) for server in running)
    yield first, second
    for server, thread in zip(running, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def ask(port: int) -> tuple[int, bytes]:
    """One answer, asked for again where the connection was not even taken up, as browsers do.

    When its servers change Caddy 2.6 opens its port anew and closes the old socket; a connection
    that waits there to be accepted is reset.
    """
    try:
        return ask_once(port)
    except ConnectionResetError:
        return ask_once(port)


def ask_once(port: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_no_request_is_lost_while_servers_come_and_go(servers: tuple[Address, Address]) -> None:
    caddy = find_caddy({})
    assert caddy is not None, "install caddy"
    port = free_port()
    answers: list[tuple[int, bytes]] = []
    done = threading.Event()

    def client() -> None:
        while not done.is_set():
            answers.append(ask(port))

    with Router(caddy, listen=Address(host="127.0.0.1", port=port)) as router:
        router.serve(servers)
        clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in clients:
            thread.start()
        for change in range(CHANGES):
            router.serve(servers if change % 2 else servers[:1])
            time.sleep(0.05)
        done.set()
        for thread in clients:
            thread.join()
        said = router.attend()
    assert len(answers) > CHANGES
    assert set(answers) == {(200, b"ab")}
    assert list(said) == []


def test_a_caddy_that_ended_before_it_was_needed_is_told_with_what_it_said() -> None:
    caddy = find_caddy({})
    assert caddy is not None, "install caddy"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = Address(host="127.0.0.1", port=taken.getsockname()[1])
        with Router(caddy, listen=listen) as router, pytest.raises(RouterError) as caught:
            router.serve([Address(host="127.0.0.1", port=free_port())])
    assert "address already in use" in caught.value.found
