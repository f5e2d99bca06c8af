"""What a container on a Docker Engine is believed, and what is looked into."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from runner.engines.base import Address, Streams
from runner.engines.docker.container import DockerContainer, Whereabouts
from runner.engines.docker.daemon import Attachment, ContainerState, Daemon
from runner.engines.docker.options import BUSYBOX, HANG_UP
from tests.unit.runner.samples import a_spec


@contextmanager
def listener(*, dual: bool) -> Iterator[Address]:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=dual) as server:
        yield Address(host="::", port=server.getsockname()[1])


def takes_ipv4(listener: Address, inside: Address | None) -> bool:
    container = object.__new__(DockerContainer)
    container.place(Whereabouts(address=None, pid=1, inside=inside))
    return container.takes_ipv4(listener)


@pytest.mark.parametrize("dual", [True, False])
def test_whether_an_ipv6_listener_takes_ipv4_is_tried_where_the_container_is_reached(
    dual: bool,
) -> None:
    with listener(dual=dual) as found:
        assert takes_ipv4(found, Address(host="127.0.0.1", port=found.port)) is dual


def test_what_cannot_be_tried_is_believed() -> None:
    with listener(dual=False) as found:
        assert takes_ipv4(found, None)
        assert takes_ipv4(found, Address(host="127.0.0.1", port=found.port - 1))
        # An address nobody has a route to.
        assert takes_ipv4(found, Address(host="255.255.255.255", port=found.port))


class FakeDaemon(Daemon):
    """Remembers what was run inside of containers."""

    def __init__(self) -> None:
        super().__init__(None)
        self.ran: list[tuple[str, ...]] = []

    def run_inside(self, container: str, argv: tuple[str, ...], *, user: str) -> int:
        self.ran.append(argv)
        return 0

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        return 143

    def inspect(self, container: str) -> ContainerState:
        return ContainerState(
            is_running=False, pid=0, exit_code=143, oom_killed=False, address="", ports={}
        )

    def remove(self, container: str) -> None: ...


def ran_to_terminate(*, terminal: bool) -> list[tuple[str, ...]]:
    """What a container whose output is a terminal was told, on one or on none of its own."""
    daemon = FakeDaemon()
    window, theirs = os.openpty()
    ours, engines = socket.socketpair()
    with open(window, "rb"), open(theirs, "wb"), closing(engines):  # noqa: PTH123
        streams = Streams(stdin=None, stdout=theirs, stderr=theirs, terminal=terminal)
        container = DockerContainer(
            daemon, "id", a_spec("run.1"), attachment=Attachment(ours), streams=streams
        )
        before = set(threading.enumerate())
        container.terminate()
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        container.remove()
    return daemon.ran


def test_a_shell_is_hung_up_where_there_is_a_terminal_to_type_at() -> None:
    everyone = (BUSYBOX, "kill", "-TERM", "-1")
    assert ran_to_terminate(terminal=True) == [everyone, (BUSYBOX, "sh", "-c", HANG_UP)]
    assert ran_to_terminate(terminal=False) == [everyone]


def test_who_ignores_sigttou_is_seen_in_its_status() -> None:
    pattern = re.search("'(SigIgn:.*)'", HANG_UP)
    assert pattern is not None
    for ignored in (0, 0x384004, *(1 << bit for bit in range(64))):
        is_found = re.search(pattern[1], f"SigIgn:\t{ignored:016x}") is not None
        assert is_found is bool(ignored & 1 << (signal.SIGTTOU - 1))
