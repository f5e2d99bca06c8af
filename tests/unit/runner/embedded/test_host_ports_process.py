"""The process that carries connections to ports of this machine outlives what it cannot carry."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from runner.engines.embedded.host_ports import process
from runner.engines.embedded.host_ports.process import Serving


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_connection_there_is_no_thread_for_ends_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(work: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(process, "in_thread", refuse)
    monkeypatch.setattr(process, "_MOST_CONNECTIONS", 1)
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as asked, socket.create_server(("127.0.0.1", 0)) as server:
        serving = Serving(asked, reader)
        for _ in range(2):  # the second one finds the place of the first free again
            with socket.create_connection(server.getsockname(), timeout=30) as client:
                serving._take(server, 5432)
                assert client.recv(1) == b""
        assert serving._free.acquire(blocking=False)
    os.close(reader)
    os.close(writer)


def test_a_container_whose_ports_there_is_no_thread_for_is_refused_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(work: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(process, "in_thread", refuse)
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as asked, socket.socket(socket.AF_UNIX) as client:
        asked.bind(b"\0slugkit-test-host-ports-" + str(os.getpid()).encode())
        asked.listen()
        client.settimeout(30)
        client.connect(asked.getsockname())
        socket.send_fds(client, [json.dumps([5432]).encode()], [reader, reader])
        serving = Serving(asked, reader)
        before = open_descriptors()
        serving._answer()
        assert client.recv(100) == b"can't start new thread"
        assert open_descriptors() == before
    os.close(reader)
    os.close(writer)
