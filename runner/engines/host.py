"""The host engine: plain processes of this machine. No walls, said loudly, never chosen for you.

A process finds its app in a private copy of the slug's tree, not in /app; HOME says where. That
copy's path is also how its processes are found again: it stands in the environment of each.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from buildpack.support.command import (
    Command,
    CommandFailedError,
    CommandNotFoundError,
    Process,
    capture,
    spawn,
)
from buildpack.support.deletion import remove_tree
from runner.engines import rundir
from runner.engines.base import Address, EngineRequest, Streams
from runner.formation import ContainerSpec
from runner.ports import ensure_port_free
from slugc.privileges import data_dir, drop_prefix, hand_over, hand_over_streams, run_identity
from slugc.stack import read_host_stack, require_stack
from slugc.store import Store

WARNING = """\
The host engine isolates nothing. The app runs as plain processes of this machine, sees its
files, processes and network, and has no memory, CPU or process limit."""
TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COPY_TIMEOUT = 600.0
END_TIMEOUT = 5.0  # a killed process needs milliseconds, one in uninterruptible sleep longer


class HostContainer:
    """One process tree with a private copy of the app."""

    def __init__(self, spec: ContainerSpec, process: Process, tree: Path) -> None:
        self.id = f"{tree.parent.name}-{tree.name}"
        self.spec = spec
        self.exit_fd = os.pidfd_open(process.pid)
        self._process = process
        self._tree = tree
        self._removed = False

    @property
    def address(self) -> Address | None:
        port = self.spec.port
        return None if port is None else Address(host="127.0.0.1", port=port)

    def poll(self) -> int | None:
        # Not reaped before ``remove``: while it is a zombie nobody else can get its number,
        # which is the number of its session too.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        ended = None if self._removed else os.waitid(os.P_PID, self._process.pid, flags)
        if ended is None:
            code = self._process.returncode
            return code if code is None or code >= 0 else 128 - code
        return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def was_oom_killed(self) -> bool:
        return False  # the machine's own memory is the only limit here

    def remove(self) -> None:
        if self._removed:
            return
        self._removed = True
        end_processes(self._tree, leader=self._process.pid)
        self._process.wait()
        os.close(self.exit_fd)
        remove_tree(self._tree)

    def _signal(self, number: signal.Signals) -> None:
        for pid in processes_of(self._tree, leader=self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class HostEngine:
    """Runs a release's containers as processes of this machine."""

    name: ClassVar[str] = "host"

    def __init__(self, request: EngineRequest) -> None:
        self._request = request
        self._env = {"PATH": request.env.get("PATH", TOOL_PATH)}
        self._containers: list[HostContainer] = []
        self._cleanup = contextlib.ExitStack()
        self._started = 0

    def __enter__(self) -> Self:
        slug = self._request.release.slug
        require_stack(slug.metadata.stack, host=read_host_stack(), slug=slug.archive.name)
        home = data_dir(self._request.env)
        env = self._request.env
        rundir.sweep(
            home, env, engine=self.name, also=lambda run: end_processes(home / "run" / run)
        )
        self._layers = self._cleanup.enter_context(Store(home / "store").layers_in_use(slug))
        self._run = rundir.create_run_dir(home, env, engine=self.name)
        self._cleanup.callback(self._run.remove)
        self._cleanup.callback(self._remove_containers)
        # Processes run as somebody else than root reach their tree by name through here.
        self._run.root.chmod(0o711)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def start(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
    ) -> HostContainer:
        assert publish in {None, spec.port}, "without a network of its own a process has one port"
        if spec.port is not None:
            ensure_port_free(spec.port)
        self._started += 1
        tree = self._run.root / f"{spec.name}-{self._started}"
        self._copy_layers(tree)
        env = {**spec.env, "HOME": str(tree)}
        command = Command(
            argv=_argv(spec, streams), cwd=tree, env=env, title=spec.command, uid=_uid()
        )
        hand_over_streams((streams.stdin, streams.stdout, streams.stderr))
        process = spawn(
            command,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            new_session=not streams.terminal,
        )
        container = HostContainer(spec, process, tree)
        self._containers.append(container)
        return container

    def _copy_layers(self, tree: Path) -> None:
        """A copy, not links: a file written in place must not change in the store."""
        tree.mkdir(mode=0o755)
        hand_over(tree)
        sources = tuple(f"{layer}/." for layer in self._layers)
        if sources:
            copy = ("cp", "--archive", "--reflink=auto", "--", *sources, f"{tree}/")
            try:
                capture(
                    Command(
                        argv=(*drop_prefix(), *copy),
                        cwd=tree,
                        env=self._env,
                        timeout=COPY_TIMEOUT,
                        title="cp LAYERS TREE",
                    )
                )
            except CommandFailedError:
                remove_tree(tree)
                raise

    def _remove_containers(self) -> None:
        for container in self._containers:
            container.remove()


def _uid() -> int | None:
    """Who the app runs as, if that is not us.

    Changed before the first program starts, not by one: the environment is the app's, so its
    PATH says which program that is, and its LD_PRELOAD what else is in it.
    """
    return run_identity().uid if os.getuid() == 0 else None


def _argv(spec: ContainerSpec, streams: Streams) -> tuple[str, ...]:
    # setsid makes the terminal the controlling one; it must not be a session leader before.
    session = (_tool("setsid"), "--ctty") if streams.terminal else ()
    # Killed with slug-run, however that ends; set after the user is changed, which clears it.
    return (*session, _tool("setpriv"), "--pdeathsig", "KILL", "--", *spec.argv)


def _tool(name: str) -> str:
    """A program of the system's, whatever PATH the app has."""
    found = shutil.which(name, path=TOOL_PATH)
    if found is None:
        raise CommandNotFoundError(name)
    return found


def processes_of(
    tree: Path, *, leader: int | None = None, proc: Path = Path("/proc")
) -> tuple[int, ...]:
    """Every living process whose HOME is, or is below, ``tree``, the session of ``leader``, and
    all their descendants: orphans, daemons and children with an environment of their own too.
    """
    parents: dict[int, int] = {}
    found: set[int] = set()
    marker = b"HOME=" + os.fsencode(tree)
    for entry in proc.iterdir():
        if not entry.name.isdigit() or (state := _read_state(entry)) is None:
            continue
        pid, (parent, session) = int(entry.name), state
        parents[pid] = parent
        if (leader is not None and session == leader) or _has_marker(entry, marker):
            found.add(pid)
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return tuple(sorted(found))


def end_processes(tree: Path, *, leader: int | None = None) -> None:
    """SIGKILL to every process of ``tree``, again until none is left or the time is up."""
    deadline = time.monotonic() + END_TIMEOUT
    while (left := processes_of(tree, leader=leader)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _read_state(process: Path) -> tuple[int, int] | None:
    """Parent and session; None for a process that has ended (a zombie included)."""
    try:
        stat = (process / "stat").read_bytes()
    except OSError:
        return None
    # The name stands in parentheses and may hold spaces and parentheses itself.
    state, parent, _, session = stat.rpartition(b")")[2].split()[:4]
    return None if state in {b"Z", b"X"} else (int(parent), int(session))


def _has_marker(process: Path, marker: bytes) -> bool:
    try:
        environ = (process / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's process, or one that has just ended
        return False
    return any(line == marker or line.startswith(marker + b"/") for line in environ)
