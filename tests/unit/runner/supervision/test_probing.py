"""probing: a container is healthy when its port is bound and every check has passed."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.engines.base import Address, RunningContainer
from runner.health import Check
from runner.supervision.command_question import CommandQuestion, asking_inside
from runner.supervision.probing import HealthProbe
from tests.waiting import PATIENCE, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
ENDLESS = "the headers of its answer have no end"


class Server:
    """Gives its answers in turn, the last one again and again; keeps what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.asked = list(answers), list[bytes]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(host="127.0.0.1", port=self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                asked = connection.recv(65536)
                if asked == b"over":
                    return
                self.asked.append(asked)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == b"hang":
                    connection.recv(1)
                else:
                    connection.sendall(answer)

    def close(self) -> None:
        with socket.create_connection((self.address.host, self.address.port)) as last:
            last.sendall(b"over")
        self._thread.join()
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    found: list[Server] = []

    def make(*answers: bytes) -> Server:
        found.append(Server(*answers))
        return found[-1]

    yield make
    for server in found:
        server.close()


class Listening(SimpleNamespace):
    """A container whose listeners can be seen."""

    def listeners(self) -> tuple[Address, ...]:
        return cast("tuple[Address, ...]", self.listens)

    def takes_ipv4(self, listener: Address) -> bool:
        return listener in self.listens


def probe(server: Server, *checks: Check) -> HealthProbe:
    container = Listening(address=server.address, listens=(Address(host="0.0.0.0", port=5000),))
    return made(cast("RunningContainer", container), 5000, *checks)


def made(container: RunningContainer, port: int | None, *checks: Check) -> HealthProbe:
    """One whose commands run in a shell of this machine."""

    def ask(check: Check, now: float) -> CommandQuestion:
        argv = ("sh", "-c", 'exec timeout "$1" sh -c "$2"', "inside")
        return CommandQuestion(argv, os.environ, check, now)

    return HealthProbe(container, port, checks, time.monotonic(), ask)


def outcome(found: HealthProbe) -> bool:
    """Whether it becomes healthy, or is given up."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found.is_healthy(time.monotonic()):
            return True
        if found.is_given_up:
            found.close()
            return False
        time.sleep(0.005)
    raise AssertionError("neither")


def test_a_bound_port_is_enough_where_nothing_is_asked(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    assert outcome(probe(server))
    assert server.asked == []


def test_the_question_is_a_get_as_from_outside(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    check = Check(path="/up?a=1", host="www.example.com", headers={"x-probe": "1"})
    assert outcome(probe(server, check))
    assert server.asked == [
        b"GET /up?a=1 HTTP/1.1\r\n"
        b"host: www.example.com\r\n"
        b"user-agent: slug-run\r\n"
        b"accept: */*\r\n"
        b"x-forwarded-proto: https\r\n"
        b"x-probe: 1\r\n"
        b"connection: close\r\n"
        b"\r\n"
    ]


@pytest.mark.parametrize(
    ("answer", "objection"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 302 Found\r\nLocation: https://a/\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "answered 404 at /"),
        (b"HTTP/1.1 500 Oops\r\n\r\nTraceback", "answered 500 at /"),
        (b"SSH-2.0-OpenSSH\r\n", "did not answer at /: what it said is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", f"did not answer at /: {ENDLESS}"),
        (b"", "did not answer at /: closed without an answer"),
        (b"hang", "did not answer at /: no answer within 0.2 seconds"),
    ],
)
def test_two_and_three_hundreds_are_healthy(
    serve: Callable[..., Server], answer: bytes, objection: str
) -> None:
    found = probe(serve(answer), Check(path="/", attempts=1, timeout=0.2))
    assert outcome(found) is (objection == "")
    assert found.objection == objection


def test_chunks_are_put_together_before_something_is_looked_for(
    serve: Callable[..., Server],
) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    )
    assert outcome(probe(serve(chunked), Check(path="/", content="hello", attempts=1)))
    found = probe(serve(OK), Check(path="/", content="bye", attempts=1))
    assert not outcome(found)
    assert found.objection == "answered 200 at / without 'bye'"
    assert (found.answer.status, found.answer.body) == (200, "hello")


def test_it_is_asked_again_as_often_as_the_check_says(serve: Callable[..., Server]) -> None:
    bad = b"HTTP/1.1 503 Not yet\r\n\r\n"
    server = serve(bad, bad, OK)
    assert outcome(probe(server, Check(path="/", attempts=3, wait=0.01)))
    assert len(server.asked) == 3
    assert not outcome(probe(serve(bad), Check(path="/", attempts=2, wait=0.01)))


def test_a_check_that_only_warns_holds_nothing_up(serve: Callable[..., Server]) -> None:
    found = probe(serve(b"HTTP/1.1 500 x\r\n\r\n"), Check(path="/", attempts=1, is_warning=True))
    assert outcome(found)
    assert found.warnings == ["answered 500 at /"]


def test_checks_come_one_after_the_other(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    began = time.monotonic()
    assert outcome(probe(server, Check(uptime=0.2), Check(path="/a"), Check(path="/b")))
    assert time.monotonic() - began >= 0.2
    assert [asked.split()[1] for asked in server.asked] == [b"/a", b"/b"]


def test_nobody_is_asked_before_the_port_is_bound(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    found = probe(server, Check(path="/"))
    container: Any = found._container
    container.listens = (Address(host="127.0.0.1", port=5000),)
    assert not found.is_healthy(time.monotonic())
    assert not found.listens
    assert server.asked == []
    container.listens = (Address(host="0.0.0.0", port=5000),)
    assert outcome(found)


@pytest.mark.parametrize(
    ("command", "objection"),
    [
        ("true", ""),
        ("echo fine; exit 3", "ended `echo fine; exit 3` with status 3: fine"),
        ("exit 4", "ended `exit 4` with status 4"),
        ("sleep 60", "did not end `sleep 60` within 0.2 seconds"),
    ],
)
def test_a_command_that_ends_with_0_is_healthy(command: str, objection: str) -> None:
    worker = cast("RunningContainer", SimpleNamespace(address=None))
    found = made(worker, None, Check(command=command, attempts=1, timeout=0.2))
    assert outcome(found) is (objection == "")
    assert found.objection == objection


@pytest.mark.parametrize("command", ["echo because; exit 125", "echo because; kill -9 $PPID"])
def test_what_could_not_be_asked_is_no_answer_and_is_asked_again(command: str) -> None:
    worker = cast("RunningContainer", SimpleNamespace(address=None))
    found = made(worker, None, Check(command=command, attempts=1, wait=0.0))
    until(lambda: found.is_healthy(time.monotonic()) or found.objection)
    assert found.objection.startswith(f"could not be asked `{command}`: because")
    assert not found.is_given_up
    found.close()


def test_of_a_command_that_says_much_the_end_is_kept() -> None:
    worker = cast("RunningContainer", SimpleNamespace(address=None))
    command = "seq 1000000; echo the end; exit 1"
    found = made(worker, None, Check(command=command, attempts=1, timeout=PATIENCE))
    assert not outcome(found)
    assert found.objection.endswith("with status 1: the end")
    assert len(found.answer.body) <= 64 * 1024


def test_a_check_that_is_not_asked_any_more_ends(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    argv = ("sh", "-c", 'exec cat "$2"', "inside")
    found = CommandQuestion(argv, os.environ, Check(command=str(fifo)), 0.0)
    assert found.answer(0.0) is None
    found.close()
    with pytest.raises(OSError, match="No such device"):  # nobody reads there
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


def test_a_check_that_cannot_be_begun_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python3")
    answer = asking_inside(1, {})("web.1-1", check := Check(command="true"), 0.0).answer(0.0)
    assert answer is not None
    found = answer.objection(check)
    assert found == "could not be asked `true`: The program 'python3' was not found"
