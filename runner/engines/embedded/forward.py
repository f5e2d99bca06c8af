"""Where a container's PORT is reached from this machine."""

from __future__ import annotations

import socket

from runner.engines.base import Address
from runner.engines.embedded.slirp import SlirpApi, SlirpError
from runner.ports import ensure_port_free

LOOPBACK = "127.0.0.1"
_ATTEMPTS = 5


def publish_port(
    api: SlirpApi, *, guest: str, guest_port: int, publish: int | None
) -> tuple[int, Address]:
    """Forward ``publish``, or a port that is free, to the container; returns the forward's id."""
    if publish is not None:
        return _publish_fixed(api, guest, guest_port, publish)
    for attempt in range(_ATTEMPTS):
        port = _free_port()
        try:
            return _add(api, guest, guest_port, port)
        except SlirpError:
            # Somebody took the port between our look and slirp4netns's.
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _publish_fixed(api: SlirpApi, guest: str, guest_port: int, port: int) -> tuple[int, Address]:
    ensure_port_free(port, host=LOOPBACK)
    try:
        return _add(api, guest, guest_port, port)
    except SlirpError:
        # slirp4netns does not say why. If somebody was faster than us, this does.
        ensure_port_free(port, host=LOOPBACK)
        raise


def _add(api: SlirpApi, guest: str, guest_port: int, port: int) -> tuple[int, Address]:
    forward = api.add_forward(host=LOOPBACK, port=port, guest=guest, guest_port=guest_port)
    return forward, Address(host=LOOPBACK, port=port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
