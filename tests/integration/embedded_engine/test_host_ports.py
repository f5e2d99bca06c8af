"""Ports of this machine at a container's own localhost: those that were named, and no others."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.base import Limits
from runner.engines.embedded.engine import EmbeddedEngine
from runner.engines.embedded.host_ports.asking import HostPortsError
from tests.integration.embedded_support import (
    STARTERS,
    Wanted,
    carry_out_as,
    inside_of,
    read_until,
    run,
    start,
    started,
)
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

# Says what answers at a port of localhost; "-" where nothing does.
ASK = """python3 -c '
import socket, sys
for port in sys.argv[1:]:
    try:
        with socket.create_connection(("localhost", int(port)), timeout=20) as service:
            service.sendall(b"to " + port.encode())
            service.shutdown(socket.SHUT_WR)
            print(service.makefile().read() or "-")
    except OSError:
        print("-")
' """


@pytest.fixture
def service() -> Iterator[int]:
    """Says back what it hears, once that is all; on this machine's loopback alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, client.makefile("rb") as said:
                    client.sendall(b"heard " + said.read())

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("starter", STARTERS)
def test_a_named_port_is_reached_at_localhost_and_no_other(starter: str, service: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ask = f"{ASK} {service} {other.getsockname()[1]}"
        plan = [
            Wanted(command=ask, host_ports=(service,)),
            Wanted(command=ask, host_ports=(service,), ordinal=2),
            Wanted(command=ask, ordinal=3),
            # One more process in a container that has it, after another has ended.
            Wanted(command="sleep 100", host_ports=(service,), ordinal=4, stay=True),
            Wanted(command=ask, enter=True),
        ]
        happened, _ = carry_out_as(starter, Limits(), plan)
    reached = f"heard to {service}\n-\n"
    outputs = [each.output for each in happened]
    assert outputs == [reached, reached, "-\n-\n", "", reached]


def test_a_port_where_nobody_listens_refuses(engine: EmbeddedEngine) -> None:
    port = free_port()
    happened = run(engine, Wanted(command=f"{ASK} {port}", host_ports=(port,)))
    assert (happened.code, happened.output) == (0, "-\n")


def test_a_service_that_listens_on_ipv6_alone_is_reached(engine: EmbeddedEngine) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        server.settimeout(PATIENCE)
        container = started(engine, f"{ASK} {port}", host_ports=(port,))
        client, _ = server.accept()
        assert client.recv(100) == f"to {port}".encode()
        client.close()
        container.remove()


def test_what_is_ours_is_not_among_what_the_app_listens_on(
    engine: EmbeddedEngine, service: int
) -> None:
    listen = "import socket, time; s = socket.create_server(('', 7000)); time.sleep(99)"
    container = started(engine, f'exec python3 -c "{listen}"', host_ports=(service,))
    until(container.listeners)
    assert [each.port for each in container.listeners()] == [7000]


def test_the_process_has_no_rights_here_and_ends_with_the_network(
    engine: EmbeddedEngine, service: int
) -> None:
    container = started(engine, "exec sleep 100", host_ports=(service,))
    process = engine._network.host_ports._process
    assert process is not None
    assert process.pid not in inside_of(container)
    uids = next(
        line.split()[1:]
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("Uid:")
    )
    assert "0" not in uids
    # What listened for a container that has ended keeps nothing of it.
    sockets = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    container.remove()
    until(lambda: len(list(Path(f"/proc/{process.pid}/fd").iterdir())) == sockets - 2)
    engine.__exit__(None, None, None)
    assert process.poll() is not None


def test_a_process_that_was_killed_is_started_again_for_the_next_container(
    engine: EmbeddedEngine, service: int
) -> None:
    started(engine, "exec sleep 100", host_ports=(service,))
    process = engine._network.host_ports._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    happened = run(engine, Wanted(command=f"{ASK} {service}", host_ports=(service,), ordinal=2))
    assert happened.output == f"heard to {service}\n"


def test_a_process_that_was_killed_comes_back_to_the_containers_that_are_there(
    engine: EmbeddedEngine, service: int
) -> None:
    reader, writer = os.pipe()
    asking = f"while :; do {ASK} {service}; sleep 0.2; done"
    talking = start(engine, Wanted(command=asking, host_ports=(service,)), writer)
    os.close(writer)
    containers = [talking, started(engine, "exec sleep 100", ordinal=2)]
    read_until(reader, b"heard")
    assert engine.look_after(containers) is None

    process = engine._network.host_ports._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    read_until(reader, b"-\n")
    # The next container, which starts it, leaves the others no worse.
    containers.append(started(engine, "exec sleep 100", host_ports=(service,), ordinal=3))
    said = engine.look_after(containers)
    assert (
        said == "What carries connections to ports of this machine was killed, and is there again"
    )
    assert engine.look_after(containers) is None
    read_until(reader, b"heard")
    talking.remove()
    assert engine.look_after(containers) is None
    os.close(reader)


def test_ports_that_cannot_be_opened_end_the_start_and_leave_nothing(
    engine: EmbeddedEngine,
) -> None:
    with pytest.raises(HostPortsError) as caught:
        started(engine, "exec sleep 100", host_ports=(5432, 5432))
    assert caught.value.brief == "A container could not be given port 5432, 5432 of this machine"
    assert "Address already in use" in caught.value.details
    assert sorted(path.name for path in engine._run.root.iterdir()) == ["etc", "lock"]
