"""Asks the process that carries an app's connections to ports of this machine; starts it first."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.command import Command, Process, spawn
from buildpack.support.errors import ExitCode, SlugkitError
from runner.engines.embedded.host_ports.process import OPENED

_CHECKOUT = Path(__file__).resolve().parents[4]
_PATIENCE = 20.0  # seconds; it answers within milliseconds once Python has started


class HostPortsError(SlugkitError):
    """Ports of this machine could not be opened to a container."""

    exit_code = ExitCode.UNAVAILABLE
    id = "host-ports"

    def __init__(self, ports: Sequence[int], said: str) -> None:
        self.ports, self.said = tuple(ports), said.strip()
        named = ", ".join(str(port) for port in self.ports)
        super().__init__(
            f"A container could not be given port {named} of this machine",
            details=self.said or "The process that does so ended without an answer.",
            resolution="Leave it out of SLUG_RUN_HOST_PORTS if the app can do without.",
        )


class HostPorts:
    """One app's, for as long as its network lives. ``path`` is where its process is asked.

    The process ends with the lifeline, not with us: who goes on with the containers finds it at
    ``path``. Should it have been killed, the next container starts another; those that are there
    are to be opened anew then.
    """

    def __init__(self, path: Path, *, holder: int, lifeline: int) -> None:
        self._path, self._holder, self._lifeline = path, holder, lifeline
        self._process: Process | None = None
        self._served: set[int] = set()
        """the networks, by inode, that the process of the moment was asked to listen in"""

    def is_served(self, network: int) -> bool:
        """Whether ports were opened there and nobody was killed since."""
        if not self._is_there():
            self._served.clear()
        return os.fstat(network).st_ino in self._served

    def adopt(self, network: int) -> None:
        """Somebody before us has opened them there."""
        self._served.add(os.fstat(network).st_ino)

    def open(self, ports: Sequence[int], *, network: int, init: int) -> None:
        """Let ``ports`` be reached in ``network`` until ``init`` ends. Raises HostPortsError."""
        try:
            try:
                said = self._ask(ports, network, init)
            except (FileNotFoundError, ConnectionRefusedError):
                self._start()
                said = self._ask(ports, network, init)
        except OSError as err:
            raise HostPortsError(ports, str(err)) from err
        if said != OPENED:
            raise HostPortsError(ports, said.decode("utf-8", "replace"))
        self.adopt(network)

    def _is_there(self) -> bool:
        """Whether the process is, whoever started it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE)
            try:
                client.connect(str(self._path))  # who then asks for nothing is told nothing
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except OSError:  # it is busy
                return True
        return True

    def end(self) -> None:
        """Once the lifeline is closed: its process is gone then, if it is ours to wait for."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _ask(self, ports: Sequence[int], network: int, init: int) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE)
            client.connect(str(self._path))
            socket.send_fds(client, [json.dumps(list(ports)).encode()], [network, init])
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(4096), b""))

    def _start(self) -> None:
        """It need not be ready: the socket it is given takes what is asked meanwhile."""
        self.end()  # what was killed is cleared away
        self._served.clear()
        self._path.unlink(missing_ok=True)
        namespace = os.open(f"/proc/{self._holder}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(namespace, "rb"), socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self._path))
            listening.listen()
            given = (namespace, listening.fileno(), self._lifeline)
            module = "runner.engines.embedded.host_ports.process"
            argv = (sys.executable, "-m", module, *(str(each) for each in given))
            env = {"PYTHONPATH": str(_CHECKOUT)}
            self._process = spawn(Command(argv=argv, cwd=Path("/"), env=env, pass_fds=given))
