"""Readiness without a word to the app."""

from __future__ import annotations

import socket
import time

from runner.engines.base import Address
from runner.readiness import HOLD, ReadinessProbe
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


def test_a_container_without_an_address_is_never_ready() -> None:
    assert looks(None, seconds=0.05) is None
    assert ReadinessProbe(Plain(None), 5000).found_instead() == ()
