"""What a container on a Docker Engine is believed, and what is looked into."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runner.engines.base import Address
from runner.engines.docker.container import DockerContainer, Whereabouts


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
