"""Router lines of real requests through a real Caddy: each told once, with the code it deserves."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.base import Address
from runner.front import find_caddy
from runner.router import Router
from runner.router_log.codes import Code
from runner.router_log.rules import RequestRules
from runner.router_log.translator import Translator
from tests.integration.router_support import FILES, Answer, ask, fields, leave
from tests.integration.supervision_support import Site, command_lines, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port(), files=FILES)
    yield found
    found.must("stop")


def of_path(site: Site, path: str) -> list[dict[str, str]]:
    """The router lines about a path."""
    lines = [line for line in site.log("-d", "router").splitlines() if f' path="{path}"' in line]
    return [fields(line) for line in lines]


def told(site: Site, path: str) -> dict[str, str]:
    """The one router line about a path, which comes within a moment."""
    until(lambda: len(of_path(site, path)) > 0, site.log)
    (found,) = of_path(site, path)
    return found


def test_each_request_is_told_in_herokus_words_with_the_code_it_deserves(site: Site) -> None:
    site.start("--request-timeout", "1")
    assert ask(site.port, "/well?a=b").body == "Hello, world!"
    found = told(site, "/well?a=b")
    line = next(each for each in site.log().splitlines() if "/well" in each)
    assert re.fullmatch(
        r"\S+ slug-run\[router\]: at=info method=GET path=\"/well\?a=b\" host=127\.0\.0\.1:\d+"
        r" request_id=[0-9a-f-]{36} fwd=\"127\.0\.0\.1\" dyno=web\.1 connect=\d+ms service=\d+ms"
        r" status=200 bytes=13 protocol=http",
        line,
    )
    assert "code" not in found
    codes = (("/close", "H13"), ("/reset", "H13"), ("/bad", "H17"), ("/slow", "H12"))
    for path, code in (*codes, ("/heavy", "H17")):
        assert ask(site.port, path).status == 503
        found = told(site, path)  # and no container was asked a second time
        assert (found["at"], found["code"], found["dyno"], found["status"]) == (
            *("error", code),
            *("web.1", "503"),
        )
    with pytest.raises(http.client.IncompleteRead):
        ask(site.port, "/half")
    found = told(site, "/half")
    assert (found["code"], found["status"], found["bytes"]) == ("H18", "200", "3")
    leave(site.port, "/slow?left")
    found = told(site, "/slow?left")
    assert (found["at"], found["code"], found["status"]) == ("info", "H27", "499")
    leave(site.port, "/stream", after=b"abc")
    found = told(site, "/stream")
    assert (found["at"], found["code"], found["status"]) == ("info", "H27", "200")
    site.must("scale", "web=0")
    assert ask(site.port, "/none").status == 503
    found = told(site, "/none")
    assert (found["code"], found["desc"], found["dyno"]) == ("H14", "No web processes running", "")


def test_an_app_that_crashes_is_h10_and_one_that_is_not_up_yet_h20(open_dir: Path) -> None:
    files = {"Procfile": "web: test -e /app/crash && exit 3; exec sleep 100000\n", "keep": ""}
    for name, code in (("booting", "H20"), ("crash", "H10")):
        site = deployed(open_dir / name, port=free_port(), files={**files, name: ""})
        starting = subprocess.Popen(
            (sys.executable, "-m", "runner.main", "start", "-d", "--port", str(site.port)),
            env=site.env,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda site=site: is_listening(site.port))  # type: ignore[misc]
            if name == "crash":
                until(lambda site=site: "Process exited" in site.log())  # type: ignore[misc]
            assert ask(site.port, "/").status == 503
            assert told(site, "/")["code"] == code
        finally:
            site.must("stop")
            starting.wait(timeout=PATIENCE)


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_what_the_app_is_told_of_a_request(site: Site) -> None:
    site.start()
    kept = "0123456789abcdefABCDEF+/=-"
    found = headers_of(ask(site.port, "/headers", headers={"X-Request-Id": kept}))
    assert found["x-request-id"] == kept
    assert abs(int(found["x-request-start"]) / 1000 - time.time()) < PATIENCE
    assert found["x-forwarded-port"] == str(site.port)
    assert found["x-forwarded-for"] == "127.0.0.1"
    assert found["via"] == "1.1 slug-run"
    ours = {"Slugkit-For": "8.8.8.8", "Slugkit-Container": "10.0.2.9:5000", "Slugkit-Any": "x"}
    forged = {"X-Request-Id": "a|b|c|d|e|EOF" * 3, "Via": "1.0 fred", **ours}
    found = headers_of(ask(site.port, "/headers", headers=forged))
    assert str(uuid.UUID(found["x-request-id"])) == found["x-request-id"]
    assert found["via"] == "1.0 fred, 1.1 slug-run"
    assert not any(name.startswith("slugkit-") for name in found)
    until(lambda: len(of_path(site, "/headers")) == 2)
    first, second = of_path(site, "/headers")
    assert (first["request_id"], second["request_id"]) == (kept, found["x-request-id"])
    assert second["fwd"] == "127.0.0.1"


def test_who_asks_for_no_compressed_answer_has_nobody_ask_for_one(site: Site) -> None:
    site.start()
    assert "accept-encoding" not in told_of_a_bare_request(site.port)


def told_of_a_bare_request(port: int) -> str:
    """What the app hears when a client says no more than it must."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET /headers HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        with client.makefile("rb") as answer:
            said = answer.read().decode("latin-1").lower()
    assert "\r\nhost: here\r\n" in said
    return said


def test_no_header_of_ours_comes_from_a_client_past_the_switch(site: Site) -> None:
    site.start()
    ours = "Slugkit-Container: 10.0.2.9:5000\r\nSlugkit-For: 8.8.8.8\r\n"
    upgrading = "Connection: Upgrade\r\nUpgrade: echo\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as client:
        head = f"GET /headers HTTP/1.1\r\nHost: here\r\n{ours}{upgrading}\r\n"
        client.sendall(head.encode())
        with client.makefile("rb") as answer:
            found = b"".join(iter(answer.readline, b"Upgrade: echo\r\n"))  # they are sorted
    assert b"\r\nHost: here\r\n" in found
    assert b"slugkit-" not in found.lower()


def test_no_client_takes_out_what_the_app_is_told_or_hides_from_the_log(site: Site) -> None:
    site.start()
    marks = "X-Request-Id, X-Request-Start, X-Forwarded-For, X-Forwarded-Port, Via, Slugkit-For"
    query = b"\xff" * 30_000
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as client:
        head = f"HTTP/1.1\r\nHost: here\r\nConnection: close, {marks}\r\n\r\n"
        client.sendall(b"GET /headers?" + query + b" " + head.encode())
        with client.makefile("rb") as answer:
            found = answer.read().decode("latin-1").lower()
    for mark in marks.lower().split(", ")[:-1]:
        assert f"\n{mark}: " in found
    assert "slugkit-for" not in found
    until(lambda: 'path="/headers?' in site.log("-d", "router"), site.log)


def test_connections_are_handed_on_for_other_protocols(site: Site) -> None:
    site.start()
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as client:
        head = "Host: here\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo"
        client.sendall(f"GET /echo HTTP/1.1\r\n{head}\r\n\r\n".encode())
        with client.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 101 Go on\r\n"
            while answer.readline() != b"\r\n":
                pass
            client.sendall(b"hello\n")
            assert answer.readline() == b"hello\n"


def headers_of(answer: Answer) -> dict[str, str]:
    """What the app says it was sent."""
    found: dict[str, list[str]] = {}
    for line in answer.body.splitlines()[1:]:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def test_a_client_without_an_answer_gets_a_page_or_three_lines(site: Site) -> None:
    site.start("web=0")
    page = ask(site.port, "/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (page.status, page.headers["Retry-After"]) == (503, "1")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>The app is not up</h1>" in page.body
    plain = ask(site.port, "/", headers={"X-Request-Id": "a" * 20, "Accept": "*/*"})
    assert plain.headers["Cache-Control"] == "no-store"
    assert plain.body == (
        "The app is not up\n"
        "None of its web containers answers at the moment. Its log says more.\n"
        f"Request {'a' * 20}\n"
    )


def test_lines_are_neither_lost_nor_doubled_when_supervisors_are_killed(site: Site) -> None:
    site.start()
    asked: list[str] = []
    done = threading.Event()

    def client(name: str) -> None:
        for number in range(100_000):
            if done.is_set():
                return
            path = f"/{name}-{number}"
            assert ask(site.port, path).status == 200
            asked.append(path)
            time.sleep(0.002)

    clients = [threading.Thread(target=client, args=(name,)) for name in ("a", "b")]
    for thread in clients:
        thread.start()
    for _ in range(3):
        before = site.processes()["supervisor"]
        time.sleep(0.25)
        os.kill(before, signal.SIGKILL)
        until(lambda before=before: site.processes().get("supervisor", before) != before)  # type: ignore[misc]
    done.set()
    for thread in clients:
        thread.join()
    paths: list[str] = []

    def all_told() -> bool:
        paths[:] = re.findall(r' path="(/[ab]-\d+)"', site.log("-d", "router"))
        return set(asked) <= set(paths)

    until(all_told, lambda: f"missing {sorted(set(asked) - set(paths))[:9]}")
    assert len(asked) > 30
    assert sorted(paths) == sorted(asked)
    names = set(re.findall(r" dyno=(\S*) ", site.log("-d", "router")))
    assert names == {"web.1"}


def test_a_running_apps_router_is_told_to_be_silent_and_to_speak_again(site: Site) -> None:
    site.start()
    before = switch_of(site)
    ask(site.port, "/one")
    told(site, "/one")
    site.start("--no-router-log")
    ask(site.port, "/two")
    site.start("--router-log")
    ask(site.port, "/three")
    told(site, "/three")
    assert of_path(site, "/two") == []
    assert switch_of(site) == before


def switch_of(site: Site) -> int:
    """The Caddy that knows which containers answer."""
    (found,) = (
        pid
        for pid, line in command_lines().items()
        if "caddy\0run" in line
        and "switch-config.json" in line
        and any(run in line for run in site.runs())
        and "slugkit-guard" not in line
        and not line.startswith("setpriv")
    )
    return found


def test_what_is_lost_between_door_and_switch_is_the_platforms_fault(site: Site) -> None:
    site.start()
    answers: list[Answer] = []
    client = threading.Thread(
        target=lambda: answers.append(ask(site.port, "/slow?lost", method="POST"))
    )
    client.start()
    until(lambda: "asked to be slow" in site.log())
    os.kill(switch_of(site), signal.SIGKILL)
    client.join(timeout=PATIENCE)
    assert answers[0].status == 503
    found = told(site, "/slow?lost")
    assert (found["at"], found["code"], found["dyno"]) == ("error", "H99", "")
    assert ask(site.port, "/after").status == 200
    assert "code" not in told(site, "/after")


def next_line(router: Router) -> str:
    """What it says next, which comes within a moment."""
    lines: list[str] = []

    def has_said() -> bool:
        lines.extend(router.attend())
        return len(lines) > 0

    until(has_said)
    return lines[0]


class Nobody:
    """No container is known."""

    def name_of(self, upstream: str) -> str:
        return upstream

    def why_nobody(self) -> Code:
        return Code.H14


def test_containers_that_refuse_or_do_not_take_connections_are_h21_and_h19() -> None:
    caddy = find_caddy({})
    assert caddy is not None, "install caddy"
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # its queue is full: the kernel drops who comes next
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        listen = Address(host="127.0.0.1", port=free_port())
        rules = RequestRules(timeout=0.5, log=True)
        worded = Translator(Nobody()).line
        with Router(caddy, listen=listen, rules=rules, worded=worded) as router:
            for port, code in ((free_port(), "H21"), (deaf.getsockname()[1], "H19")):
                router.serve([Address(host="127.0.0.1", port=port)])
                # Caddy may still take a request by what it was told before.
                for _ in range(20):
                    assert ask(listen.port, f"/{code}").status == 503
                    found = fields(next_line(router))
                    if found["code"] == code:
                        break
                assert (found["code"], found["path"], found["service"]) == (code, f"/{code}", "0ms")


def test_an_attached_run_tells_of_requests_when_it_is_asked_to(site: Site) -> None:
    port = free_port()
    argv = (sys.executable, "-m", "runner.main", "web", "--count", "2", "--router-log")
    slug = ("--slug", str(site.home.parent / "app.slug"), "--port", str(port))
    running = subprocess.Popen(
        (*argv, *slug),
        env=site.env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stderr is not None
        until_said = next((line for line in running.stderr if " is up at " in line), None)
        assert until_said is not None
        for number in range(4):
            assert ask(port, f"/{number}").status == 200
        assert ask(port, f"/4?{'x' * 20_000}").status == 200
        assert "accept-encoding" not in told_of_a_bare_request(port)
    finally:
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=PATIENCE)
    lines = [fields(line) for line in out.splitlines() if "slug-run[router]" in line]
    assert sorted(line["path"][:2] for line in lines) == [
        *("/0", "/1", "/2", "/3", "/4", "/h"),
    ]
    assert {line["dyno"] for line in lines} <= {"web.1", "web.2"}
