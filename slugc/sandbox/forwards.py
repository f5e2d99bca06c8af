"""Lets a build reach single services of this machine: see services.py.

A socket that listens in the build's network is made by a child that enters it, and handed to us;
threads of ours carry what arrives there to the real service, and back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import Sequence
from functools import partial

from buildpack.support.carrying import carry
from slugc.privileges import drop_rights
from slugc.sandbox.services import Service

_CONNECT_PATIENCE = 10.0  # seconds
_NEWUSER, _NEWNET = 0x10000000, 0x40000000  # linux/sched.h


class Forwards:
    """Everything that leads from one build's network to services of this machine."""

    def __init__(self, holder: int, services: Sequence[Service]) -> None:
        self._listening = listen_inside(holder, services)
        for listening, service in zip(self._listening, services, strict=True):
            self._in_thread(self._serve, listening, service)

    def close(self) -> None:
        """Take no more connections. Those there are end with the build's processes."""
        for listening in self._listening:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits there
            listening.close()

    def _serve(self, listening: socket.socket, service: Service) -> None:
        while True:
            try:
                inside, _ = listening.accept()
            except OSError:  # closed: the build is over
                return
            self._in_thread(carry, inside, partial(_connect, service))

    @staticmethod
    def _in_thread(work: object, *arguments: object) -> None:
        assert callable(work)
        threading.Thread(target=work, args=arguments, daemon=True).start()


def _connect(service: Service) -> socket.socket:
    return socket.create_connection((service.address, service.port), timeout=_CONNECT_PATIENCE)


def listen_inside(holder: int, services: Sequence[Service]) -> tuple[socket.socket, ...]:
    """Sockets that listen where ``services`` are expected, in the network of process ``holder``."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            _send_listening(holder, services, theirs)
        theirs.close()
        _, descriptors, _, _ = socket.recv_fds(ours, 1, len(services))
        os.waitpid(child, 0)
    if len(descriptors) != len(services):
        for descriptor in descriptors:
            os.close(descriptor)
        raise OSError(f"{len(descriptors)} of {len(services)} services could be let through")
    return tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)


def _send_listening(holder: int, services: Sequence[Service], channel: socket.socket) -> None:
    """The child's whole life. Entering a user namespace is for processes of one thread alone."""
    try:
        _enter(holder)
        listening = [_listen(service) for service in services]
        socket.send_fds(channel, [b"."], [each.fileno() for each in listening])
    finally:
        os._exit(0)  # none of the parent's clean-up is ours; what we sent tells how it went


def _enter(holder: int) -> None:
    places = [
        (os.open(f"/proc/{holder}/ns/{name}", os.O_RDONLY), kind)
        for name, kind in (("user", _NEWUSER), ("net", _NEWNET))
    ]
    drop_rights()
    libc = ctypes.CDLL(None, use_errno=True)
    for descriptor, kind in places:
        if libc.setns(descriptor, kind):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))


def _listen(service: Service) -> socket.socket:
    family = socket.AF_INET6 if ":" in service.address else socket.AF_INET
    return socket.create_server((service.address, service.port), family=family, backlog=128)
