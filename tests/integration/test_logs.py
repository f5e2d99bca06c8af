"""The log of an app that is left running: complete at speed, through kills, and sent to drains."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

LINES = 500_000
PROCFILE = f"""\
fast: seq -f 'line %.0f of many, with a few words more than nothing' {LINES}; exec sleep 1000
slow: n=0; while sleep 0.02; do n=$((n+1)); echo "tick $n"; done
"""


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port(), files={"Procfile": PROCFILE})
    yield found
    found.must("stop")


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"app\[fast\.1\]: line ([0-9]+) of many", text)]


def test_half_a_million_lines_through_a_kill_are_all_there_in_order(site: Site) -> None:
    site.start("fast=1", "slow=1")
    os.kill(site.processes()["supervisor"], signal.SIGKILL)
    until(lambda: f"line {LINES} of" in site.must("logs", "-p", "fast", "-n", "2").out)
    shown = numbers(site.must("logs", "-p", "fast", "-n", "1000000").out)
    assert shown == list(range(1, LINES + 1))
    said = site.must("logs", "-d", "fast.1", "-s", "slug-run").out
    assert "slug-run[fast.1]: Starting process with command `seq -f" in said
    assert "slug-run[fast.1]: State changed from starting to up" in said


def test_tail_goes_on_through_a_kill(site: Site) -> None:
    site.start("slow=1")
    argv = (sys.executable, "-m", "runner.main", "logs", "-t", "-s", "app", "-n", "10000")
    with subprocess.Popen(argv, env=site.env, cwd="/", stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        found = []
        for count, line in enumerate(tail.stdout, start=1):
            found.append(int(line.split()[-1]))
            if count in {20, 40}:
                os.kill(site.processes()["supervisor"], signal.SIGKILL)
            if count == 80:
                break
        tail.send_signal(signal.SIGINT)
        assert tail.wait(timeout=PATIENCE) == 130
    assert found == list(range(1, 81))


def messages(received: bytes) -> list[bytes]:
    """Each has its length in front (RFC 6587)."""
    found = []
    while received:
        length, _, rest = received.partition(b" ")
        found.append(rest[: int(length)])
        received = rest[int(length) :]
    return found


def test_lines_reach_a_drain(site: Site) -> None:
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def receive() -> None:
            connection, _ = server.accept()
            with connection:
                while chunk := connection.recv(65536):
                    received.extend(chunk)

        receiving = threading.Thread(target=receive)
        receiving.start()
        site.must("drains", "add", f"syslog://127.0.0.1:{server.getsockname()[1]}")
        site.start("slow=1")
        until(lambda: b" app slow.1 - - tick 5" in received)
        site.must("stop")
        receiving.join(timeout=PATIENCE)
    heard = messages(bytes(received))
    ticks = [int(each.split()[-1]) for each in heard if b" app slow.1 - - tick " in each]
    assert ticks == list(range(1, len(ticks) + 1))
    assert b"slug-run slow.1 - - State changed from starting to up" in received
