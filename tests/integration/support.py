"""How integration tests use Slugkit: through its two commands, as a person would."""

from __future__ import annotations

import base64
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stories import STORIES

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD_LIMIT = 400.0
PORTS_IN_A_ROW = 6
BOOT_LIMIT = 60.0
STOP_LIMIT = 45.0

# Both commands from the checkout, whether or not it is installed where the tests run.
SLUGC = (sys.executable, "-m", "slugc.main")
SLUG_RUN = (sys.executable, "-m", "runner.main")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an app answers to one request."""

    path: str
    status: int
    contains: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """One app of fixtures/ that is booted on every engine, and what its fixture.toml says of it."""

    name: str
    directory: Path
    detected: str
    process_types: Mapping[str, str]
    build_output: tuple[str, ...]
    replies: tuple[Reply, ...]
    log_started: str
    log_stopped: str


def read_fixture(directory: Path, table: Mapping[str, Any]) -> Fixture:
    logs = table.get("logs", {})
    return Fixture(
        name=directory.name,
        directory=directory,
        detected=table["detect"]["name"],
        process_types=table["process_types"],
        build_output=tuple(table["build"]["output"]),
        replies=tuple(
            Reply(path=reply["path"], status=reply["status"], contains=tuple(reply["contains"]))
            for reply in table.get("http", ())
        ),
        log_started=logs.get("started", ""),
        log_stopped=logs.get("stopped", ""),
    )


FIXTURES = {
    name: read_fixture(story.directory, story.table)
    for name, story in STORIES.items()
    if story.table.get("engines")
}
WEB_FIXTURES = {name: fixture for name, fixture in FIXTURES.items() if fixture.replies}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """The two commands, with one data directory and one environment."""

    home: Path
    env: Mapping[str, str]
    slugc: tuple[str, ...] = SLUGC
    slug_run: tuple[str, ...] = SLUG_RUN

    def build(self, source: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
        argv = (*self.slugc, "build", str(source), "--output", str(output), *options)
        done = self.call(argv, timeout=BUILD_LIMIT)
        assert done.returncode == 0, done.stderr
        return done

    def call(
        self, argv: Sequence[str], *, stdin: str = "", timeout: float = BOOT_LIMIT
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.home,
            env=self.env,
            input=stdin,
            capture_output=True,
            check=False,
            text=True,
            timeout=timeout,
        )

    def one_off(
        self, slug: Path, *words: str, engine: str, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        argv = (*self.slug_run, "run", "--engine", engine, "--slug", str(slug), "--", *words)
        return self.call(argv, stdin=stdin, timeout=BOOT_LIMIT)

    @contextmanager
    def running(self, slug: Path, *words: str, engine: str) -> Iterator[Run]:
        """``slug-run WORDS --slug SLUG``, ended with SIGTERM and asked for a clean end."""
        log = self.home / f"run-{time.monotonic_ns()}.log"
        argv = (*self.slug_run, *words, "--engine", engine, "--slug", str(slug))
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv, cwd=self.home, env=self.env, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        run = Run(process=process, log=log)
        try:
            yield run
        finally:
            run.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An attached slug-run and everything it has printed."""

    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, what: str, found: Callable[[], bool], *, limit: float = BOOT_LIMIT) -> None:
        deadline = time.monotonic() + limit
        while not found():
            code = self.process.poll()
            assert code is None, f"slug-run ended with {code} before {what}:\n{self.text()}"
            assert time.monotonic() < deadline, f"no {what} within {limit:g} s:\n{self.text()}"
            time.sleep(0.02)

    def wait_for_line(self, part: str) -> None:
        self.wait_for(f"'{part}'", lambda: part in self.text())

    def wait_for_http(self, port: int) -> None:
        # 502 and 503 come from the router while no container is up yet.
        self.wait_for(f"answer on port {port}", lambda: ask(port).status not in (0, 502, 503))

    def stop(self) -> int:
        """SIGTERM, as `kill` and a service manager send it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status 0 means that nothing answered."""

    status: int
    text: str


def ask(port: int, path: str = "/") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        response = connection.getresponse()
        return Answer(status=response.status, text=response.read().decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException):
        return Answer(status=0, text="")
    finally:
        connection.close()


def websocket_says(port: int, path: str, message: str) -> str:
    """Send one short text frame and return the one that comes back (RFC 6455)."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    payload = message.encode()
    assert len(payload) < 126
    # A zero mask is a legal mask, and leaves the payload readable.
    frame = bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload
    with socket.create_connection(("127.0.0.1", port), timeout=15) as sock:
        stream = sock.makefile("rb")
        sock.sendall(request.encode())
        status = stream.readline().decode()
        assert "101" in status, status
        while stream.readline().strip():
            continue
        sock.sendall(frame)
        _opcode, length = stream.read(2)
        return stream.read(length).decode()


def free_port() -> int:
    """A port with some free ones behind it, which the host engine gives to its containers.

    Not one the kernel would give out: whoever connects somewhere meanwhile might get it. Each
    process that tests side by side has a range of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 15000 + worker * 1000
    while True:
        port = random.randrange(first, first + 1000 - PORTS_IN_A_ROW)
        if all(map(_is_free, range(port, port + PORTS_IN_A_ROW))):
            return port


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as sock:
        try:
            sock.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True
