"""The process that carries connections to ports of this machine outlives what it cannot carry."""

from __future__ import annotations

import os
import socket

import pytest

from runner.engines.embedded.host_ports import process
from runner.engines.embedded.host_ports.process import Serving


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
