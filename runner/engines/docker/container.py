"""One container on the Docker Engine, followed by threads that carry its streams and await it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runner.engines.base import Address, Streams
from runner.engines.docker.daemon import Attachment, Daemon, DockerCallError
from runner.engines.docker.options import BUSYBOX, HANG_UP, USER
from runner.engines.docker.streams import (
    pump_input,
    pump_pieces,
    pump_raw,
    pump_terminal,
    window_size,
)
from runner.formation import ContainerSpec
from runner.ports import read_listeners

ENGINE_FAILED = 125
"""The code for "the engine itself failed", as Docker's own command has it."""

RESOLVER = "127.0.0.11"
"""Docker's own name server, in every container's network: nothing the app listens on."""

KILLED = 128 + signal.SIGKILL
OOM_PATIENCE, OOM_LOOK = 1.0, 0.05  # seconds
JOIN_TIMEOUT = 5.0
CONNECT_PATIENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """What is known about a container once it runs."""

    address: Address | None
    pid: int
    """as this machine knows the container's first process; 0 where it cannot"""
    inside: Address | None = None
    """where its PORT is reached past all that is published, if this machine gets there"""


class DockerContainer:
    """A container; see ``runner.engines.base.RunningContainer``.

    Made before it starts: the engine stalls, lock in hand, as soon as output waits for a reader.
    """

    def __init__(
        self,
        daemon: Daemon,
        container_id: str,
        spec: ContainerSpec,
        *,
        attachment: Attachment,
        streams: Streams,
    ) -> None:
        self.id = container_id
        self.spec = spec
        self._daemon = daemon
        self._where = Whereabouts(address=None, pid=0)
        self._attachment = attachment
        self._code: int | None = None
        self._oom_killed = False
        self._is_killed = False
        self._listens = False
        self._window = window_size(streams.stdout) if streams.terminal else None
        self._removed = False
        self._ended = threading.Event()
        self.exit_fd, self._exit_writer = os.pipe()
        self._stop_reader, self._stop_writer = os.pipe()
        self._threads = self._follow(streams)

    @property
    def address(self) -> Address | None:
        return self._where.address

    def fit_terminal(self) -> None:
        """Give the terminal inside the size of ours: at the start, and whenever ours changes."""
        if self._window is not None:
            self._resize(*self._window)

    def place(self, where: Whereabouts) -> None:
        """Note where the container is."""
        self._where = where

    def poll(self) -> int | None:
        return self._code

    def was_oom_killed(self) -> bool:
        if self._ended.is_set() or self._removed:
            return self._oom_killed
        return self._daemon.inspect(self.id).oom_killed

    def listeners(self) -> tuple[Address, ...]:
        """Docker's forwarder accepts connections before the app does, so we look inside."""
        if self._where.pid:
            found = read_listeners(self._where.pid)
            return tuple(address for address in found if address.host != RESOLVER)
        port = self.spec.port
        if port is None or self._code is not None:
            return ()
        # The state column of a listening socket is 0A; ports are in hexadecimal.
        pattern = f":{port:04X} [0-9A-F:]* 0A"
        look = (BUSYBOX, "grep", "-q", pattern, "/proc/net/tcp", "/proc/net/tcp6")
        with contextlib.suppress(DockerCallError):  # it is ending; then nothing listens
            self._listens = self._listens or self._daemon.run_inside(self.id, look, user=USER) == 0
        return (Address(host="0.0.0.0", port=port),) if self._listens else ()  # noqa: S104

    def takes_ipv4(self, listener: Address) -> bool:
        """Docker lets nobody ask, so one connection is made: a kernel refuses it if not."""
        inside = self._where.inside
        if inside is None or listener.port != inside.port:
            return True
        try:
            socket.create_connection((inside.host, inside.port), timeout=CONNECT_PATIENCE).close()
        except ConnectionRefusedError:
            return False
        except OSError:  # no way there from here: nobody knows, and it is believed
            return True
        return True

    def terminate(self) -> None:
        # A call into the container takes a twentieth of a second; several stop side by side.
        threading.Thread(target=self._terminate, daemon=True).start()

    def kill(self) -> None:
        self._is_killed = True
        threading.Thread(target=self._signal, args=("SIGKILL",), daemon=True).start()

    def remove(self) -> None:
        if self._removed:
            return
        self._removed = True
        os.close(self._stop_writer)  # nobody needs the rest of its output
        if not self._ended.is_set():
            self._attachment.shut()
        try:
            self._daemon.remove(self.id)
        finally:
            for thread in self._threads:
                thread.join(JOIN_TIMEOUT)
            self._attachment.close()
            os.close(self._stop_reader)
            os.close(self.exit_fd)

    def _terminate(self) -> None:
        """Every process but the init and ourselves: ``docker stop`` reaches the first alone."""
        everyone = (BUSYBOX, "kill", "-TERM", "-1")
        try:
            code = self._daemon.run_inside(self.id, everyone, user=USER)
        except DockerCallError:
            code = ENGINE_FAILED
        if code != 0:
            # No room for one more process, or none left: the init passes it on to the app.
            self._signal("SIGTERM")
        if self._window is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        """What ends a shell on our terminal, which ignores SIGTERM."""
        with contextlib.suppress(DockerCallError):  # SIGTERM was enough
            self._daemon.run_inside(self.id, (BUSYBOX, "sh", "-c", HANG_UP), user=USER)

    def _signal(self, name: str) -> None:
        with contextlib.suppress(DockerCallError):  # what cannot be signalled is removed at the end
            self._daemon.signal(self.id, name)

    def _follow(self, streams: Streams) -> tuple[threading.Thread, ...]:
        # Our own descriptors: the caller may close its own as soon as start() has returned.
        out, err = os.dup(streams.stdout), os.dup(streams.stderr)
        output = partial(self._output_until_end, raw=streams.terminal, out=out, err=err)
        work = [output]
        if streams.stdin is not None:
            source = os.dup(streams.stdin)
            work.append(partial(self._input_until_end, source, terminal=streams.terminal))
        threads = tuple(threading.Thread(target=each, daemon=True) for each in work)
        for thread in threads:
            thread.start()
        return threads

    def _output_until_end(self, *, raw: bool, out: int, err: int) -> None:
        """Output until the socket ends, which it does with the container; then how it ended."""
        try:
            if raw:
                pump_raw(self._attachment.socket.recv, out, stop=self._stop_reader)
            else:
                targets = {1: out, 2: err}
                pump_pieces(self._attachment.socket.recv, targets, stop=self._stop_reader)
            self._code, self._oom_killed = self._result()
        finally:
            os.close(out)
            os.close(err)
            self._ended.set()
            os.close(self._exit_writer)  # the reading side becomes readable: end of file

    def _result(self) -> tuple[int, bool]:
        try:
            code = self._daemon.wait(self.id)
            return code, self._was_oom_killed(code)
        except DockerCallError:  # the engine went away, or the container was removed under us
            return ENGINE_FAILED, False

    def _was_oom_killed(self, code: int) -> bool:
        """The engine hears of the kernel's kill on a way of its own, perhaps after the end."""
        until = time.monotonic() + (OOM_PATIENCE if code == KILLED and not self._is_killed else 0.0)
        while not (was := self._daemon.inspect(self.id).oom_killed) and time.monotonic() < until:
            time.sleep(OOM_LOOK)
        return was

    def _input_until_end(self, source: int, *, terminal: bool) -> None:
        try:
            if terminal:
                pump_terminal(
                    source, self._attachment.socket, stop=self._stop_reader, resize=self._resize
                )
            elif pump_input(source, self._attachment.socket, stop=self._stop_reader):
                self._attachment.close_input()
        finally:
            os.close(source)

    def _resize(self, rows: int, columns: int) -> None:
        with contextlib.suppress(DockerCallError):  # a wrong width is no reason to end a session
            self._daemon.resize(self.id, rows=rows, columns=columns)


def pid_here(pid: int, container: str, *, proc: Path = Path("/proc")) -> int:
    """``pid`` where it is the container's first process on this machine and we may look; else 0."""
    try:
        groups = (proc / str(pid) / "cgroup").read_text()
        (proc / str(pid) / "net" / "tcp").read_text()
    except OSError:  # another machine's process id, or not ours to look at
        return 0
    return pid if container in groups else 0
