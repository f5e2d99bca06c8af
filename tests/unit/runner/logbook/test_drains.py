"""Drains: a log arrives elsewhere, in the forms receivers know, whatever happens on the way."""

from __future__ import annotations

import http.server
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.logbook.app_log import AppLog
from runner.logbook.drain_process import Pump, pump
from runner.logbook.draining import Draining
from runner.logbook.drains import (
    Drain,
    Drains,
)
from runner.logbook.reader import Line, Position
from runner.logbook.sending import HttpsSender, RefusedError, SyslogSender, syslog_message
from runner.logbook.store import Bounds
from runner.main import main
from runner.state.state import opened_state
from slugc.privileges import data_dir
from tests.unit.runner.logbook.containers import texts
from tests.unit.runner.logbook.receiver import Receiver
from tests.waiting import PATIENCE, until

NOW = 1_763_805_601.123456
AT = "2025-11-22T10:00:01.123456+00:00"
HELLO = Line(time=AT, source="app", name="web.1", text="héllo")
STATE = Line(time=AT, source="slug-run", name="web.1", text="State changed from starting to up")


# What is sent


def test_messages_are_rfc_5424_with_their_length_in_front() -> None:
    expected = f"<190>1 {AT} d.12 app web.1 - - héllo".encode()
    message = syslog_message(HELLO, "d.12", structured=True)
    assert message == b"%d %s" % (len(expected), expected)
    message = syslog_message(STATE, "host", structured=False)
    assert message.endswith(
        f" <158>1 {AT} host slug-run web.1 - State changed from starting to up".encode()
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    argv = (
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", str(path), "-out", f"{path}.crt",
    )  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_syslog_over_tls(tls: ssl.SSLContext) -> None:
    receiver = Receiver(tls)
    sender = SyslogSender(Drain(token="d.1", url=f"syslog+tls://localhost:{receiver.port}"))
    sender.send([HELLO])
    sender.send([STATE])
    until(lambda: len(receiver.messages()) == 2)
    sender.close()
    receiver.close()


def test_a_certificate_nobody_vouches_for_is_refused(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    receiver = Receiver(tls)
    with pytest.raises(OSError, match="certificate verify failed"):
        SyslogSender(Drain(token="d.1", url=f"syslog+tls://localhost:{receiver.port}"))
    receiver.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    answers: Sequence[int] = ()
    requests: list[tuple[dict[str, str], str, bytes]] = []  # noqa: RUF012  # one for each test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).requests.append((dict(self.headers), self.path, body))
        answers = list(type(self).answers)
        self.send_response(answers.pop(0) if answers else 204)
        type(self).answers = answers
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def https(tls: ssl.SSLContext) -> Iterator[int]:
    _Handler.requests, _Handler.answers = [], ()
    server = http.server.ThreadingHTTPServer(("localhost", 0), _Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_https_as_logplex_does_it(https: int) -> None:
    drain = Drain(token="d.77", url=f"https://me:p%40ss@localhost:{https}/in?x=1")
    sender = HttpsSender(drain)
    sender.send([HELLO, STATE])
    sender.close()
    headers, path, body = _Handler.requests[0]
    assert path == "/in?x=1"
    assert headers["Content-Type"] == "application/logplex-1"
    assert headers["Logplex-Msg-Count"] == "2"
    assert headers["Logplex-Drain-Token"] == "d.77"
    assert headers["Authorization"] == "Basic bWU6cEBzcw=="
    assert body == b"".join(syslog_message(x, "host", structured=False) for x in (HELLO, STATE))


def test_what_https_refuses_is_sent_again_as_the_same_frame(https: int) -> None:
    drain = Drain(token="d.77", url=f"https://localhost:{https}/")
    _Handler.answers = [500, 302]
    for _ in range(2):
        sender = HttpsSender(drain)
        with pytest.raises(RefusedError):
            sender.send([HELLO])
        sender.close()
    sender = HttpsSender(drain)
    sender.send([HELLO])
    sender.close()
    frames = {headers["Logplex-Frame-Id"] for headers, _, _ in _Handler.requests}
    assert (len(_Handler.requests), len(frames)) == (3, 1)


# Keeping at it


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    return tmp_path


def notes(app_dir: Path, first: int, last: int) -> list[str]:
    texts = [f"note {number}" for number in range(first, last)]
    with AppLog(app_dir / "log", bounds=Bounds(files=5, file_size=4000)) as log:
        for text in texts:
            log.system("api", text)
    return texts


def test_a_receiver_that_is_away_misses_nothing(app_dir: Path) -> None:
    receiver = Receiver()
    drain = Drains(app_dir / "drains").add(f"syslog://localhost:{receiver.port}", Position())
    first = notes(app_dir, 0, 20)
    pumping = Pump(app_dir, drain)
    pumping.start()
    until(lambda: receiver.texts() == first)
    receiver.close()
    second = notes(app_dir, 20, 40)
    until(lambda: any("Error sending to" in text for text in texts(app_dir / "log")))
    again = Receiver(port=receiver.port)
    until(lambda: set(second) <= set(again.texts()))
    pumping.stopped.set()
    pumping.join(timeout=PATIENCE)
    again.close()
    assert [text for text in again.texts() if text in second] == second
    assert any(text.startswith("Sending to syslog://localhost") for text in texts(app_dir / "log"))


def test_a_successor_goes_on_where_the_log_was_sent_to(app_dir: Path) -> None:
    receiver = Receiver()
    drain = Drains(app_dir / "drains").add(f"syslog://localhost:{receiver.port}", Position())
    expected = []
    for round_number in range(3):
        expected += notes(app_dir, round_number * 10, round_number * 10 + 10)
        pumping = Pump(app_dir, drain)
        pumping.start()
        until(partial(receiver.has, expected[-1]))
        pumping.stopped.set()
        pumping.join(timeout=PATIENCE)
    assert receiver.texts() == expected
    receiver.close()


def test_what_was_gone_before_it_was_sent_is_said(app_dir: Path) -> None:
    receiver = Receiver()
    notes(app_dir, 0, 1)
    drains = Drains(app_dir / "drains")
    drain = drains.add(f"syslog://localhost:{receiver.port}", Position(number=1, at=30))
    notes(app_dir, 1, 500)
    pumping = Pump(app_dir, drain)
    pumping.start()
    until(lambda: any("Error L10" in text for text in receiver.texts()))
    pumping.stopped.set()
    pumping.join(timeout=PATIENCE)
    assert "note 499" in receiver.texts()
    receiver.close()


def test_the_process_notices_drains_and_ends_with_who_started_it(app_dir: Path) -> None:
    receiver = Receiver()
    expected = notes(app_dir, 0, 5)
    argv = (sys.executable, "-m", "runner.logbook.drain_process", str(app_dir))
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        Drains(app_dir / "drains").add(f"syslog://localhost:{receiver.port}", Position())
        until(lambda: receiver.texts() == expected)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=PATIENCE) == 0
    receiver.close()


def test_nothing_is_sent_after_a_drain_was_removed(app_dir: Path) -> None:
    receiver = Receiver()
    drains = Drains(app_dir / "drains")
    url = f"syslog://localhost:{receiver.port}"
    drains.add(url, Position())
    lifeline, end = os.pipe()
    sending = threading.Thread(target=pump, args=(app_dir,), kwargs={"lifeline": lifeline})
    sending.start()
    first = notes(app_dir, 0, 3)
    until(lambda: receiver.texts() == first)
    drains.remove(url)
    time.sleep(1.2)  # it looks once a second
    notes(app_dir, 3, 6)
    time.sleep(0.7)
    os.close(end)
    sending.join(timeout=PATIENCE)
    assert receiver.texts() == first
    assert list((app_dir / "drains").glob("d.*")) == []
    os.close(lifeline)
    receiver.close()


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path / "home"))
    with opened_state(data_dir(os.environ)) as state:
        state.create_app("polls")
    assert main(["drains"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["drains", "add", "https://me:secret@logs.example.com/in", "-a", "polls"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("The log goes to https://***@logs.example.com/in (d.")
    assert main(["drains", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["url"] == "https://***@logs.example.com/in"
    assert main(["drains:remove", row["token"]]) == 0
    assert main(["drains", "remove", row["token"]]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == "The log goes to https://***@logs.example.com/in no more\n"
    assert "There is no drain" in err


def test_a_supervisor_keeps_the_process_running_while_there_are_drains(app_dir: Path) -> None:
    receiver = Receiver()
    drains, draining = Drains(app_dir / "drains"), Draining(app_dir, os.environ)
    draining.look()
    assert children() == set()
    first = notes(app_dir, 0, 3)
    drains.add(f"syslog://localhost:{receiver.port}", Position())
    draining.look()
    until(lambda: receiver.texts() == first)
    (running,) = children()
    draining.look()
    assert children() == {running}
    os.kill(running, signal.SIGKILL)
    second = notes(app_dir, 3, 6)

    def has_second() -> bool:
        draining.look()
        return receiver.texts()[-3:] == second

    # A kill between sending and noting it sends a frame twice; never none.
    until(has_second)
    draining.close()
    assert children() == set()
    receiver.close()


def children() -> set[int]:
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for path in found for pid in path.read_text().split()}
