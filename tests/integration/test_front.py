"""Door and switch: what clients notice when containers, supervisors and Slugkits change."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runner.engines.embedded.identity import has_ended, process_id
from runner.engines.rundir import sockets_path
from runner.router import ask_socket
from slugc.privileges import in_dropped_child
from tests.integration.router_support import FILES, ask, fields
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port(), files=FILES)
    yield found
    found.must("stop")


class Echo:
    """A connection that has become another protocol's, as a WebSocket's does."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._stream = self._socket.makefile("rb")
        asked = "Host: here\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n"
        self._socket.sendall(f"GET /echo HTTP/1.1\r\n{asked}\r\n".encode())
        self.status = int(self._stream.readline().split()[1])
        self.container = ""
        while (line := self._stream.readline()) not in {b"\r\n", b""}:
            name, _, text = line.decode().partition(": ")
            if name.lower() == "x-dyno":
                self.container = text.strip()

    def answers(self) -> bool:
        try:
            self._socket.sendall(b"hello\n")
            return self._stream.readline() == b"hello\n"
        except OSError:
            return False

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


def echoes(site: Site, count: int) -> list[Echo]:
    """So many on each of web.1 and web.2."""
    found: dict[str, list[Echo]] = {"web.1": [], "web.2": []}
    while min(map(len, found.values())) < count:
        echo = Echo(site.port)
        found[echo.container].append(echo)
    return found["web.1"] + found["web.2"]


def test_a_websocket_ends_with_its_own_container_and_with_no_other(site: Site) -> None:
    site.start()
    first = Echo(site.port)
    site.must("scale", "web=2")
    others = echoes(site, 2)
    assert all(each.answers() for each in (first, *others))
    os.kill(site.pids()["web.2"], signal.SIGKILL)
    until(lambda: "web.2]: State changed from up to crashed" in site.log())
    until(lambda: "web.2" in site.pids())
    assert {each.container for each in (first, *others) if each.answers()} == {"web.1"}
    assert all(each.answers() == (each.container == "web.1") for each in others)
    site.must("restart", "web.1")  # which is told to stop though they are open
    assert not any(each.answers() for each in (first, *others))
    assert "Drain timeout" not in site.log()
    for each in (first, *others):
        each.close()
    until(lambda: len(upgraded(site)) == 1 + len(others), site.log)
    assert {each["dyno"] for each in upgraded(site)} == {"web.1", "web.2"}
    assert {each["fwd"] for each in upgraded(site)} == {"127.0.0.1"}
    site.must("scale", "web=0")
    with contextlib.closing(Echo(site.port)) as refused:
        assert refused.status == 503
    until(lambda: "code=H14" in site.log(), site.log)


def test_a_chunked_request_may_ask_for_another_protocol(site: Site) -> None:
    site.start()
    asked = "Host: here\r\nConnection: Upgrade\r\nUpgrade: echo\r\nTransfer-Encoding: chunked\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as client:
        client.sendall(f"GET /well HTTP/1.1\r\n{asked}\r\n5\r\nhello\r\n0\r\n\r\n".encode())
        with client.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"


def upgraded(site: Site) -> list[dict[str, str]]:
    found = map(fields, site.log("-d", "router").splitlines())
    return [each for each in found if each.get("status") == "101"]


def kill_whole(init: int) -> None:
    """Kill a container, and wait: until its last process is gone it takes connections."""
    pidfd = os.pidfd_open(init)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert has_ended(pidfd, PATIENCE)
    os.close(pidfd)


def test_who_has_just_ended_is_passed_over_before_the_load_balancer_is_told(site: Site) -> None:
    site.start("web=3")
    pids, supervisor = site.pids(), site.processes()["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)  # who would tell it
    try:
        kill_whole(pids["web.2"])
        assert [ask(site.port, f"/whole?{n}").status for n in range(40)] == [200] * 40
        for name in ("web.1", "web.3"):
            kill_whole(pids[name])
        assert ask(site.port, "/none").status == 503
    finally:
        os.kill(supervisor, signal.SIGCONT)
    until(lambda: 'path="/none"' in site.log("-d", "router"), site.log)
    lines = [fields(line) for line in site.log("-d", "router").splitlines()]
    whole = [each for each in lines if each.get("path", "").startswith("/whole")]
    assert [each["status"] for each in whole] == ["200"] * 40
    assert {each["dyno"] for each in whole} == {"web.1", "web.3"}
    assert not any("code" in each for each in whole)
    assert [each["code"] for each in lines if each.get("path") == "/none"] == ["H21"]


NAMES = ("door", "switch")


def config_of(path: Path) -> dict[str, Any]:
    status, said = ask_socket(path, "GET", "/config/", None)
    assert status == 200
    return dict(json.loads(said))


def test_what_a_new_slugkit_would_say_reaches_caddys_that_an_old_one_started(site: Site) -> None:
    site.start()
    sockets = router_sockets(site)
    wanted = [config_of(path) for path in sockets]
    for path in sockets:
        old = config_of(path)
        old["apps"]["http"]["servers"]["web"]["max_header_bytes"] = 65536
        assert ask_socket(path, "POST", "/load", old)[0] == 200
    before, pids = site.processes(), site.pids()
    os.kill(before["supervisor"], signal.SIGKILL)
    until(lambda: site.processes().get("supervisor") not in {None, before["supervisor"]})
    until(lambda: [config_of(path) for path in sockets] == wanted)
    assert ask(site.port, "/well").status == 200
    assert site.pids() == pids
    assert "The load balancer" not in site.log()


def router_sockets(site: Site) -> list[Path]:
    """Where door and switch are told what to do."""
    (run,) = site.runs()
    return [sockets_path(site.env) / run / "router" / f"{name}.sock" for name in NAMES]


def test_whoever_has_caddys_rights_has_root_write_and_kill_nothing(
    site: Site, tmp_path: Path
) -> None:
    if os.getuid() != 0:
        pytest.skip("Caddy has the rights of who starts the app")
    site.start()
    (sockets, _), kept = router_sockets(site), tmp_path / "kept"
    kept.write_text("kept")
    victim = subprocess.Popen(("sleep", "600"))
    try:
        named = process_id(victim.pid)
        guard = json.dumps({"host": "", "port": 1, "pid": named.pid, "started": named.started})
        for name in NAMES:
            in_dropped_child(partial(plant, sockets.parent / f"{name}.json", guard))
            in_dropped_child(partial((sockets.parent / f".{name}.json.new").symlink_to, kept))
        before = site.processes()["supervisor"]
        os.kill(before, signal.SIGKILL)
        until(lambda: site.processes().get("supervisor") not in {None, before})
        os.kill(site.processes()["caddy"], signal.SIGKILL)
        until(lambda: site.log().count("Listening at") > 1, site.log)
        assert victim.poll() is None
        assert kept.read_text() == "kept"
    finally:
        victim.kill()
        victim.wait()


def plant(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(content)


def test_an_answer_names_the_app_s_server_and_not_ours(site: Site) -> None:
    site.start()
    assert ask(site.port, "/well").headers.get_all("Server") == ["odd"]
    assert ask(site.port, "/headers").headers.get_all("Server") is None
    assert ask(site.port, "/close").headers.get_all("Server") is None
