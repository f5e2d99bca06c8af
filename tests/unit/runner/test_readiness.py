"""Readiness without a word to the app."""

from __future__ import annotations

import socket
import time

import pytest

from runner.engines.base import Address
from runner.readiness import HOLD, ReadinessProbe, describe_listeners
from tests.unit.runner.samples import a_spec
from tests.waiting import PATIENCE


class Plain:
    """A container that cannot show its listeners, reached at ``address``."""

    id = "plain"
    spec = a_spec("web.1", port=5000)
    exit_fd = -1

    def __init__(self, address: Address | None) -> None:
        self.address = address

    def poll(self) -> int | None:
        return None

    def terminate(self) -> None:
        """Not used here."""

    def kill(self) -> None:
        """Not used here."""

    def was_oom_killed(self) -> bool:
        return False

    def remove(self) -> None:
        """Not used here."""


def looks(address: Address | None, *, seconds: float = PATIENCE) -> float | None:
    """How long it took to be ready; None if it did not become so."""
    probe = ReadinessProbe(Plain(address), 5000)
    began = time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        if probe.is_ready(now):
            return now - began
        time.sleep(0.005)
    probe.close()
    return None


def test_a_server_is_ready_after_the_connection_has_held() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        took = looks(Address(host="127.0.0.1", port=server.getsockname()[1]))
    assert took is not None
    assert took >= HOLD


def test_nobody_listening_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert looks(Address(host="127.0.0.1", port=port), seconds=0.2) is None


def test_a_forwarder_that_accepts_and_closes_is_not_ready() -> None:
    """slirp4netns and docker-proxy answer before the app does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        probe = ReadinessProbe(Plain(Address(host="127.0.0.1", port=server.getsockname()[1])), 5000)
        until = time.monotonic() + 0.3
        while (now := time.monotonic()) < until:
            assert not probe.is_ready(now)
            try:
                server.accept()[0].close()
            except BlockingIOError:
                time.sleep(0.002)
        probe.close()


def test_a_server_that_greets_first_is_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = ReadinessProbe(Plain(Address(host="127.0.0.1", port=server.getsockname()[1])), 5000)
        assert not probe.is_ready(time.monotonic())
        connection = server.accept()[0]
        connection.sendall(b"220 hello\r\n")
        time.sleep(HOLD)
        assert probe.is_ready(time.monotonic())
        connection.close()


class Listening(Plain):
    """A container that shows its listeners; of those on [::] it says whether they take IPv4."""

    def __init__(self, *hosts: str, takes_ipv4: bool = False) -> None:
        super().__init__(None)
        self._listeners = tuple(Address(host=host, port=5000) for host in hosts)
        self._takes_ipv4 = takes_ipv4
        self.asked = 0

    def listeners(self) -> tuple[Address, ...]:
        return self._listeners

    def takes_ipv4(self, listener: Address) -> bool:
        assert listener == Address(host="::", port=5000)
        self.asked += 1
        return self._takes_ipv4


@pytest.mark.parametrize("takes_ipv4", [True, False])
def test_a_listener_on_all_of_ipv6_is_ready_if_it_takes_ipv4(takes_ipv4: bool) -> None:
    container = Listening("::1", "::", takes_ipv4=takes_ipv4)
    assert ReadinessProbe(container, 5000).is_ready(0.0) is takes_ipv4


@pytest.mark.parametrize(
    ("hosts", "is_ready"), [(("0.0.0.0", "::"), True), ((), False), (("::1",), False)]
)
def test_it_is_asked_only_where_nothing_else_listens(
    hosts: tuple[str, ...], is_ready: bool
) -> None:
    container = Listening(*hosts)
    assert ReadinessProbe(container, 5000).is_ready(0.0) is is_ready
    assert container.asked == 0


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("::", 5000, "[::]:5000 (takes IPv6 only: listen on 0.0.0.0)"),
        ("fd00::7", 5000, "[fd00::7]:5000 (takes IPv6 only: listen on 0.0.0.0)"),
        ("::1", 5000, "[::1]:5000 (only the container itself gets there: listen on 0.0.0.0)"),
        (
            "127.0.0.1",
            5000,
            "127.0.0.1:5000 (only the container itself gets there: listen on 0.0.0.0)",
        ),
        ("::", 8000, "[::]:8000"),
    ],
)
def test_what_listens_instead_is_named_with_what_would_help(
    host: str, port: int, words: str
) -> None:
    assert describe_listeners((Address(host=host, port=port),), 5000) == words


def test_a_container_without_an_address_is_never_ready() -> None:
    assert looks(None, seconds=0.05) is None
    assert ReadinessProbe(Plain(None), 5000).found_instead() == ()
