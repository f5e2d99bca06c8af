"""The load balancer before ``web``: Caddy, given exactly the servers that answer right now.

Running it and telling it of changes; what it is told is a value (``caddy_config``). It keeps
nothing on disk, has no way in but a private socket, and dies with slug-run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from buildpack.support.command import Command, Process, spawn
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.files import write_atomically
from buildpack.support.locks import is_locked
from runner.caddy_config import USUAL_RULES, caddy_config, caddy_handler
from runner.engines.base import Address
from runner.front import TOOL_PATH
from runner.logs import LineSplitter
from runner.router_log.rules import LONGEST_LINE, RequestRules
from runner.router_log.said import message
from slugc.privileges import drop_prefix, hand_over, let_through

START_TIMEOUT = 10.0
REQUEST_TIMEOUT = 5.0
LONGEST_ANSWER = 1024 * 1024  # a configuration names every container
# Not "slugkit-router-": a Slugkit before this one may be at work there, without a lock.
DIR_PREFIX = "slugkit-caddy-"


class RouterError(SlugkitError):
    """Caddy did not start, or does not do as it is told."""

    exit_code = ExitCode.UNAVAILABLE
    id = "router"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            "The load balancer (Caddy) does not work",
            details=found,
            resolution="Without one, start a single web container and no --port:\n\n"
            "    slug-run web",
        )


def caddy_argv(caddy: str, config_file: Path, *, port: int, is_root: bool) -> tuple[str, ...]:
    """Caddy as nobody special, bound to our life."""
    # Only the right to open a low port, and only when that is asked for.
    low = ("--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service")
    capabilities = low if is_root and port < 1024 else ()
    identity = drop_prefix()[1:-1] if is_root else ()
    setpriv = ("setpriv", *identity, *capabilities, "--no-new-privs", "--pdeathsig", "KILL", "--")
    return (*setpriv, caddy, "run", "--config", str(config_file))


def sweep_dead(parent: Path) -> None:
    """Remove what routers of killed slug-runs left: who lives has locked theirs."""
    for path in parent.glob(f"{DIR_PREFIX}*"):
        with contextlib.suppress(OSError):  # another slug-run sweeps at this moment
            if path.lstat().st_uid == os.getuid() and not is_locked(path):
                remove_tree(path)


def make_locked_dir(parent: Path) -> tuple[Path, int]:
    """A directory of ours, and what holds its lock; it has its name when it is locked already."""
    made = Path(tempfile.mkdtemp(prefix="slugkit-new-", dir=parent))
    lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return made.rename(parent / f"{DIR_PREFIX}{made.name.rpartition('-')[2]}"), lock


class Router:
    """A running Caddy. Use as a context manager.

    Containers may be started at once: nobody waits for Caddy before the first of them answers.

    Started by root it is not root: what it is told lies where it cannot write, or a link that it
    put there would have root write elsewhere.
    """

    _told_dir: Path
    _dir: Path
    """its own"""

    def __init__(
        self,
        caddy: str,
        *,
        listen: Address,
        sleep: Callable[[float], None] = time.sleep,
        rules: RequestRules = USUAL_RULES,
        worded: Callable[[str], str] = message,
    ) -> None:
        self._caddy = caddy
        self._listen = listen
        self._sleep = sleep
        self._rules = rules
        self._worded = worded
        self._upstreams: tuple[Address, ...] = ()
        self._process: Process | None = None
        self._exit_fd = self._log_fd = -1
        self._is_stopping = self._has_answered = False
        self._splitter = LineSplitter(LONGEST_LINE)

    def __enter__(self) -> Self:
        parent = Path(tempfile.gettempdir())
        sweep_dead(parent)
        self._told_dir, self._lock = make_locked_dir(parent)
        self._dir = self._told_dir / "caddy"
        try:
            let_through(self._told_dir)
            self._dir.mkdir(mode=0o700)
            hand_over(self._dir)
            self._start()
        except BaseException:  # Ctrl-C too: `with` calls no __exit__ of what was not entered
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        remove_tree(self._told_dir)
        os.close(self._lock)

    def serve(self, addresses: Sequence[Address]) -> None:
        """Send requests to these, and to no others."""
        if self._is_stopping or tuple(addresses) == self._upstreams:
            return
        self._await_first_start()
        self._upstreams = tuple(addresses)
        try:
            self._ask("PATCH", "/id/web", caddy_handler(addresses, self._rules))
        except RouterError:
            # Ended this very moment: ``attend`` starts it again, with these addresses.
            if self._process is None or self._process.poll() is None:
                raise

    def stop(self) -> None:
        """Close the port; Caddy ends by itself when the requests under way are done."""
        self._is_stopping = True
        if self._process is not None:
            self._process.terminate()

    def streams(self) -> tuple[int, ...]:
        """Caddy's errors, and its end."""
        return tuple(each for each in (self._log_fd, self._exit_fd) if each >= 0)

    def attend(self) -> Sequence[str]:
        """Read what Caddy says; start it again should it have ended."""
        self._await_first_start()
        lines = self._read_log()
        if self._process is None or self._process.poll() is None:
            return lines
        code = self._process.returncode
        code = code if code >= 0 else 128 - code
        self._end()
        if self._is_stopping:
            return lines
        self._start()
        self._await_start()
        return [*lines, f"The load balancer ended with status {code} and was started again"]

    def _start(self) -> None:
        config_file = self._told_dir / "caddy.json"
        write_atomically(config_file, json.dumps(self._config()))
        self._socket.unlink(missing_ok=True)
        is_root = os.getuid() == 0
        argv = caddy_argv(self._caddy, config_file, port=self._listen.port, is_root=is_root)
        home = str(self._dir)
        env = {"PATH": TOOL_PATH, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        self._log_fd = reader
        try:
            command = Command(argv=argv, cwd=self._dir, env=env, title="caddy run")
            self._process = spawn(command, stderr=writer)
        finally:
            os.close(writer)
        self._exit_fd = os.pidfd_open(self._process.pid)

    def _config(self) -> dict[str, object]:
        return caddy_config(
            listen=self._listen,
            upstreams=self._upstreams,
            admin_socket=self._socket,
            rules=self._rules,
        )

    @property
    def _socket(self) -> Path:
        return self._dir / "admin.sock"

    def _await_first_start(self) -> None:
        if not self._has_answered and not self._is_stopping:
            self._await_start()

    def _await_start(self) -> None:
        """Caddy opens its admin socket before its ports; it answers once both are open."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._socket.exists() and self._is_listening():
                self._has_answered = True
                return
            self._sleep(0.01)
        said = "\n".join(self._read_log()[-5:])
        raise RouterError(said or f"{self._caddy} did not start within {START_TIMEOUT:g} seconds.")

    def _is_listening(self) -> bool:
        try:
            self._ask("GET", "/id/web", None)
        except RouterError:
            return False
        return True

    def _ask(self, method: str, target: str, body: object) -> None:
        from http.client import HTTPException

        try:
            status, said = ask_socket(self._socket, method, target, body)
        except (OSError, HTTPException) as err:
            raise RouterError(f"{method} {target}: {err}") from err
        if status != 200:
            raise RouterError(f"{method} {target} was answered with {status}: {said}")

    def _read_log(self) -> list[str]:
        lines: list[str] = []
        try:
            while chunk := os.read(self._log_fd, 65536):
                lines += self._splitter.feed(chunk)
        except BlockingIOError:
            pass
        return [said for line in lines if (said := self._worded(line))]

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for descriptor in self.streams():
            os.close(descriptor)
        self._exit_fd = self._log_fd = -1


def ask_socket(path: Path, method: str, target: str, body: object) -> tuple[int, str]:
    """One HTTP request over a unix socket: the status, and what was said."""
    from http.client import HTTPConnection  # 25 ms that only a run with a router needs

    connection = HTTPConnection("", timeout=REQUEST_TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.settimeout(REQUEST_TIMEOUT)
        connection.sock.connect(str(path))
        # Caddy's admin API takes an empty Host on a unix socket (RFC 2616, 14.26).
        headers = {"Content-Type": "application/json", "Host": ""}
        connection.request(method, target, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_ANSWER).decode("utf-8", "replace").strip()
    finally:
        connection.close()
