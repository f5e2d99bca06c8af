"""A Caddy that goes on while supervisors come and go.

Its guard is a shell that becomes ``cat`` on the lifeline: Caddy is bound to the guard by its
parent-death signal, the guard to the lifeline. What is written down is the guard, before it is
told to start Caddy; so there is never a Caddy that nobody knows of.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.command import Command, Process, spawn
from buildpack.support.files import write_atomically
from runner.engines.base import Address
from runner.engines.embedded.identity import ProcessId, has_ended, open_process, process_id
from runner.engines.embedded.lasting.files import LIFELINE, READER, FdStore, write_now
from runner.engines.embedded.processes import children
from runner.front import LOOPBACK, TOOL_PATH
from runner.router import Router, RouterError, ask_socket, caddy_argv
from runner.router_log.rules import RequestRules
from runner.supervision.router_log import RouterLog
from slugc.privileges import hand_over

# Waits for a word, starts Caddy, then lives as long as the lifeline (descriptor 3).
_GUARD = """\
read -r _ || exit 1
"$@" </dev/null >/dev/null 3<&- &
exec cat <&3 >/dev/null
"""


class Guarded:
    """Caddy and its guard, whoever's children they are. What of ``Process`` the router uses."""

    def __init__(self, guard: ProcessId, guard_fd: int, process: Process | None) -> None:
        self._guard, self._guard_fd, self._process = guard, guard_fd, process
        found = children(guard.pid)
        self.pid = found[0] if found else 0
        self._caddy_fd: int | None = None
        with contextlib.suppress(ProcessLookupError):
            self._caddy_fd = os.pidfd_open(self.pid) if found else None

    @property
    def exit_fd(self) -> int:
        return os.dup(self._guard_fd if self._caddy_fd is None else self._caddy_fd)

    @property
    def returncode(self) -> int:
        return 1  # nobody is told

    def poll(self) -> int | None:
        ended = self._caddy_fd is None or has_ended(self._caddy_fd) or has_ended(self._guard_fd)
        return 1 if ended else None

    def terminate(self) -> None:
        self._signal(self._caddy_fd, signal.SIGTERM)

    def kill(self) -> None:
        self._signal(self._caddy_fd, signal.SIGKILL)
        self._signal(self._guard_fd, signal.SIGKILL)

    def wait(self) -> int:
        has_ended(self._guard_fd, 10.0)
        if self._caddy_fd is not None:
            has_ended(self._caddy_fd, 10.0)
            os.close(self._caddy_fd)
        os.close(self._guard_fd)
        if self._process is not None:
            self._process.wait()
        return 1

    @staticmethod
    def _signal(pidfd: int | None, number: int) -> None:
        if pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)


class LastingCaddy(Router):
    """A Caddy that was started by us or by who was here before us."""

    def __init__(
        self,
        name: str,
        caddy: str,
        *,
        directory: Path,
        told_dir: Path,
        fds: FdStore,
        log: RouterLog,
    ) -> None:
        super().__init__(caddy, listen=Address(host=LOOPBACK, port=0))
        self._name, self._dir, self._told_dir = name, directory, told_dir
        self._fds, self._log = fds, log
        self.rules = RequestRules()
        self._told: object = None
        """The configuration of the one that runs"""
        self._key = ""

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @abstractmethod
    def config(self) -> Mapping[str, object]:
        """What it is to go by."""

    def argv(self, config_file: Path) -> tuple[str, ...]:
        return caddy_argv(
            self._caddy, config_file, port=self._listen.port, is_root=os.getuid() == 0
        )

    def noted(self) -> Mapping[str, object]:
        """What a successor of ours has to know of it before it can be asked."""
        return {}

    def follow(self) -> None:
        """Have the one that runs go by ``config``, whoever told it what before."""
        config = self.config()
        if self._process is None or config == self._told:
            return
        self._told = config
        try:
            self._ask("POST", "/load", config)
        except RouterError:
            # It hangs, or is not ours any more: another one is started, which knows.
            self._process.kill()

    def go_on(self) -> Mapping[str, object] | None:
        """Take over the one that runs: what was noted of it; None if there is none."""
        reader = self._fds.get(self._name)
        try:
            found: Mapping[str, object] = json.loads(self._guard_file.read_text())
            guard = ProcessId(pid=int(str(found["pid"])), started=int(str(found["started"])))
        except (OSError, ValueError, KeyError):
            return None
        guard_fd = open_process(guard)
        if guard_fd is None or reader is None:
            self._fds.drop(self._name)
            return None
        self._log_fd = reader
        self._adopt(guard, guard_fd, None)
        self._told = self._asked("/config/")
        if self.is_running and self._told is not None:
            return found
        self.end()
        return None

    def start(self) -> None:
        """Raises RouterError, and what starting programs raises."""
        if not self._dir.is_dir():
            self._dir.mkdir(mode=0o700)
            hand_over(self._dir)
        config_file = self._told_dir / f"{self._name}-config.json"
        self._told = self.config()
        write_atomically(config_file, json.dumps(self._told))
        self._socket.unlink(missing_ok=True)
        argv = self.argv(config_file)
        home = str(self._dir)
        env = {"PATH": TOOL_PATH, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        self._fds.store(self._name, reader)
        self._log_fd = reader
        told, teller = os.pipe2(os.O_CLOEXEC)
        try:
            process = self._spawn_guard(argv, env, told=told, errors=writer)
            guard = process_id(process.pid)
            content = {**self.noted(), "pid": guard.pid, "started": guard.started}
            write_now(self._guard_file, json.dumps(content))
            os.write(teller, b"\n")
        finally:
            for each in (told, teller, writer):
                os.close(each)
        self._await_child(process)
        self._adopt(guard, os.pidfd_open(process.pid), process)
        self._await_start()

    def end(self) -> None:
        """It is gone when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._exit_fd >= 0:
            os.close(self._exit_fd)
        self._log.close_pipe(self._key)
        self._fds.drop(self._name)
        self._exit_fd = self._log_fd = -1

    def streams(self) -> tuple[int, ...]:
        """Its end; what it says is the log's."""
        return (self._exit_fd,) if self._exit_fd >= 0 else ()

    @property
    def _socket(self) -> Path:
        return self._dir / f"{self._name}.sock"

    @property
    def _guard_file(self) -> Path:
        return self._told_dir / f"{self._name}.json"

    def _asked(self, target: str) -> object:
        """What it says of itself there; None where it does not."""
        from http.client import HTTPException

        try:
            status, said = ask_socket(self._socket, "GET", target, None)
            return json.loads(said) if status == 200 else None
        except (OSError, ValueError, HTTPException):
            return None

    def _adopt(self, guard: ProcessId, guard_fd: int, process: Process | None) -> None:
        guarded = Guarded(guard, guard_fd, process)
        self._process = guarded  # type: ignore[assignment]  # what of a process is used
        self._exit_fd = guarded.exit_fd
        self._key = f"{self._name}-{guard.pid}-{guard.started}"
        self._log.open_pipe(self._key, self._log_fd)

    def _spawn_guard(
        self, argv: tuple[str, ...], env: Mapping[str, str], *, told: int, errors: int
    ) -> Process:
        lifeline = self._fds.get(READER)
        assert lifeline is not None
        assert self._fds.get(LIFELINE) is not None
        script = f"exec 3<&{lifeline} {lifeline}<&-\n{_GUARD}" if lifeline != 3 else _GUARD
        command = Command(
            argv=("bash", "-p", "-c", script, "slugkit-guard", *argv),
            cwd=self._dir,
            env=env,
            title="caddy run",
            pass_fds=(lifeline,),
        )
        return spawn(command, stdin=told, stderr=errors)

    def _await_child(self, process: Process) -> None:
        """Return when the guard has forked Caddy."""
        for _ in range(500):
            if children(process.pid) or process.poll() is not None:
                return
            self._sleep(0.005)
