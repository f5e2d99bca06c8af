"""control and client: requests are answered, and who dies in between does not matter."""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.selecting import attend_ready
from runner.state.state import opened_state
from runner.supervision.answering import Answering
from runner.supervision.asking import read_usages
from runner.supervision.client import (
    NoAnswerYetError,
    SupervisorSilentError,
    ask,
    is_supervised,
    supervisor_dir,
)
from runner.supervision.control import NAME, Client, Control, connected
from runner.supervision.poke import wake
from tests.waiting import until


class Listener:
    """A control socket and its loop, in a thread; holds the lock as a supervisor does."""

    def __init__(self, directory: Path, answers: list[Mapping[str, object] | None]) -> None:
        self.asked: list[object] = []
        self._answers = answers
        self._selector = selectors.DefaultSelector()
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.control = Control(directory, selector=self._selector, handle=self._handle)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()

    def _handle(self, client: Client, request: Mapping[str, object]) -> None:
        self.asked.append(request)
        client.send({"event": "accepted"})
        client.is_waiting = True
        answer = self._answers.pop(0)
        if answer is None:
            client.is_open = False
        elif answer:
            self.control.tell({"event": "up", "name": "web.1"})
            self.control.finish_waiting(answer)

    def _loop(self) -> None:
        while not self._done.is_set():
            attend_ready(self._selector, 0.01)

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self.control.close()
        self._selector.close()
        os.close(self._lock)


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A directory whose path no socket address could hold."""
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    return directory


@pytest.fixture
def listener(deep: Path) -> Iterator[Listener]:
    found = Listener(deep, [{"event": "settled", "ok": True}] * 3)
    yield found
    found.close()


def test_a_request_is_answered_with_events_and_a_last_one(deep: Path, listener: Listener) -> None:
    events: list[object] = []
    last = ask("polls", deep, {"do": "restart"}, on_event=events.append)
    assert last == {"event": "settled", "ok": True}
    assert events == [{"event": "up", "name": "web.1"}]
    assert listener.asked == [{"do": "restart"}]


def test_a_successor_is_not_asked_to_restart_what_was_restarted(deep: Path) -> None:
    listener = Listener(deep, [None, {"event": "settled", "ok": True}])
    try:
        assert ask("polls", deep, {"do": "restart"}) == {"event": "settled", "ok": True}
        assert listener.asked == [{"do": "restart"}, {"do": "reconcile"}]
    finally:
        listener.close()


def test_who_waits_no_longer_than_so_is_told(deep: Path) -> None:
    listener = Listener(deep, [{}])
    try:
        with pytest.raises(NoAnswerYetError):
            ask("polls", deep, {"do": "reconcile"}, timeout=0.1)
    finally:
        listener.close()


def test_a_supervisor_that_hangs_is_not_waited_for_by_who_only_looks(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        app = state.create_app("polls")
        directory = supervisor_dir(app_dir(tmp_path, app))
        directory.mkdir(parents=True)
        listener = Listener(directory, [{}])
        opened = OpenedApp(app=app, state=state, data_dir=tmp_path, who="bob")
        try:
            with pytest.raises(SupervisorSilentError) as caught:
                read_usages(opened, timeout=0.1)
        finally:
            listener.close()
    assert caught.value.details == "Nothing was heard from it for 0.1 seconds."


def test_nobody_is_there(deep: Path) -> None:
    assert not is_supervised(deep)
    assert ask("polls", deep, {"do": "reconcile"}) is None
    assert list(deep.iterdir()) == []


def test_a_lock_that_nobody_holds_is_no_supervisor(deep: Path, listener: Listener) -> None:
    assert is_supervised(deep)
    (deep / "lock").rename(deep / "held")
    (deep / "lock").touch()
    assert not is_supervised(deep)


@pytest.mark.parametrize("words", [b"nonsense\n", b"[]\n", b"[" * 60000 + b"\n", b"x" * 70000])
def test_who_talks_nonsense_is_left(deep: Path, listener: Listener, words: bytes) -> None:
    with connected(deep) as connection:
        connection.settimeout(5)
        connection.sendall(words)
        assert read_to_end(connection) == b""
    assert ask("polls", deep, {"do": "x"}) == {"event": "settled", "ok": True}


def read_to_end(connection: socket.socket) -> bytes:
    try:
        return b"".join(iter(lambda: connection.recv(4096), b""))
    except ConnectionResetError:
        return b""


def test_who_does_not_read_holds_nobody_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        client = Client(ours)
        for _ in range(10_000):
            client.send({"event": "up", "name": "x" * 500})
        assert not client.is_open


def test_an_answer_of_any_length_arrives_whole(deep: Path) -> None:
    """A hundred containers whose commands are as long as they may be."""
    containers = [{"name": f"web.{n}", "command": "x" * 65_536} for n in range(100)]
    answer = {"event": "settled", "ok": True, "containers": containers}
    listener = Listener(deep, [answer])
    try:
        assert ask("polls", deep, {"do": "reconcile"}, timeout=30) == answer
        assert listener.asked == [{"do": "reconcile"}]
    finally:
        listener.close()


def test_who_leaves_in_the_middle_of_an_answer_is_forgotten(deep: Path) -> None:
    long = {"event": "settled", "text": "x" * 3_000_000}
    listener = Listener(deep, [long, {"event": "settled", "ok": True}])
    try:
        with connected(deep) as connection:
            connection.sendall(b'{"do": "reconcile"}\n')
            assert connection.recv(100)
        assert ask("polls", deep, {"do": "x"}) == {"event": "settled", "ok": True}
    finally:
        listener.close()
    assert listener.control._clients == []


def test_the_socket_is_gone_when_it_is_closed(deep: Path) -> None:
    Listener(deep, []).close()
    assert not (deep / NAME).exists()
    with pytest.raises(OSError, match=r"No such file|refused"):
        connected(deep)


def test_events_are_lines_of_json() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Client(ours).send({"event": "up", "name": "web.1"})
        assert json.loads(theirs.recv(100)) == {"event": "up", "name": "web.1"}


def test_waking_asks_for_a_look_and_waits_for_nobody(deep: Path, listener: Listener) -> None:
    wake(deep)
    until(lambda: listener.asked == [{"do": "look"}])


def test_there_may_be_nobody_to_wake(tmp_path: Path) -> None:
    wake(tmp_path)
    wake(tmp_path / "missing")


def test_a_look_is_taken_at_once() -> None:
    looks: list[None] = []
    nothing: Any = None
    answering = Answering(
        nothing,
        look=lambda: looks.append(None),
        want_anew=pytest.fail,
        stop_all=pytest.fail,
        request_rows=pytest.fail,
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = Client(theirs)
        answering.handle(client, {"do": "look"})
        assert looks == [None]
        assert not client.is_open
