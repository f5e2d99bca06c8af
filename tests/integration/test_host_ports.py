"""A service of this machine, reached by an app that is left running, and by all that is its own."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.app_lock import app_dir
from runner.engines.embedded.processes import children
from runner.supervision.client import supervisor_dir
from runner.supervision.poke import wake
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

# Keeps one connection, as a pool does, and says what it hears.
CLIENT = """\
import os, socket, time
with socket.create_connection(("localhost", int(os.environ["DB_PORT"]))) as service:
    service.sendall(os.environ["DYNO"].encode() + b"\\n")
    answers = service.makefile()
    print(answers.readline(), end="", flush=True)
    if os.environ["DYNO"].startswith("worker"):
        answers.read()
"""
PROCFILE = """\
worker: exec /usr/bin/python3 client.py
again: while :; do /usr/bin/python3 client.py; sleep 0.2; done
"""
FILES = {"client.py": CLIENT, "Procfile": PROCFILE}


class Service:
    """Greets who says a name, and keeps the connection; on this machine's loopback alone."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.clients: dict[str, socket.socket] = {}
        """the last of each name"""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            name = client.makefile().readline().strip()
            if name in self.clients:
                self.clients[name].close()
            client.sendall(f"hello {name}\n".encode())
            self.clients[name] = client

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        for client in self.clients.values():
            client.close()


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    yield found
    found.close()


@pytest.fixture
def site(session_dir: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    found = deployed(session_dir / request.node.name[:24], port=free_port(), files=FILES)
    try:
        yield found
    finally:
        found.run("stop")


def test_an_app_that_is_left_running_keeps_its_connections_when_its_supervisor_is_killed(
    site: Site, service: Service
) -> None:
    site.must("config", "set", f"DB_PORT={service.port}", f"SLUG_RUN_HOST_PORTS={service.port}")
    site.start("worker")
    until(lambda: "worker.1" in service.clients)
    first = service.clients["worker.1"]

    supervisor = site.processes()["supervisor"]
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: site.processes().get("supervisor", supervisor) != supervisor)
    assert site.containers()["worker.1"]["state"] == "up"
    first.setblocking(False)
    with pytest.raises(BlockingIOError):  # nobody has hung up
        first.recv(1)

    # A container of the new supervisor's, and a one-off, get there as well.
    site.must("restart", "worker.1")
    until(lambda: service.clients["worker.1"] is not first)
    ask = ("--app", "polls", "--", "/usr/bin/python3", "client.py")
    assert site.must("run", *ask).out.startswith("hello run.")

    said = site.run("run", "-e", "SLUG_RUN_HOST_PORTS=", *ask)
    assert said.code == 1
    assert "ConnectionRefusedError" in said.err


def test_what_carries_connections_comes_back_also_to_a_supervisor_that_did_not_start_it(
    site: Site, service: Service
) -> None:
    site.must("config", "set", f"DB_PORT={service.port}", f"SLUG_RUN_HOST_PORTS={service.port}")
    site.start("again")
    until(lambda: "again.1" in service.clients)
    supervisor = site.processes()["supervisor"]
    (carrier,) = (
        pid
        for pid in children(supervisor)
        if b"host_ports.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: site.processes().get("supervisor", supervisor) != supervisor)
    os.kill(carrier, signal.SIGKILL)
    until(lambda: "ConnectionRefusedError" in site.log("-d", "again.1"))
    before = service.clients["again.1"]
    # What it does every few seconds anyway.
    wake(supervisor_dir(app_dir(site.home, site.app)))
    until(lambda: service.clients["again.1"] is not before)
    assert "was killed, and is there again" in site.log("-d", "supervisor")
