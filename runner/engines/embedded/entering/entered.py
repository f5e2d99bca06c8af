"""A process inside a container that runs, as ``OneOff`` knows containers."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from buildpack.support.cgroups import Cgroup
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from runner.engines.base import Address, Limits, Streams
from runner.engines.embedded.entering.door import Door
from runner.engines.embedded.entering.entry import GO, Entry, fork_watcher, last_capability
from runner.engines.embedded.entering.remains import end_remains
from runner.engines.embedded.entering.terminal import open_terminal
from runner.engines.embedded.identity import ProcessId, has_ended
from runner.engines.embedded.soft_limits import with_memory
from runner.engines.embedded.starter import process_limits
from runner.formation import ContainerSpec
from slugc.privileges import hand_over_streams

# -p, so that BASH_ENV and functions among the config vars are not read here.
_BEGIN = 'eval "$1" || exit 1; shift; exec "$@"'
_END_TIMEOUT = 5.0
_START_TIMEOUT = 20.0


class ContainerEndedError(SlugkitError):
    """The container was there a moment ago."""

    exit_code = ExitCode.FAILED
    id = "container-ended"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The container {name} has ended",
            resolution="Its successor has the same name: try again, or see slug-run ps.",
        )


class EnterError(SlugkitError):
    """The container's walls could not be joined, so the command was not begun."""

    exit_code = ExitCode.PERMISSION
    id = "enter"

    def __init__(self, name: str, said: str) -> None:
        self.name, self.said = name, said
        super().__init__(
            f"The container {name} could not be entered",
            details=said.strip() or "Nothing was said about why.",
            resolution="Its walls are joined by who started it: the same user, and with limits\n"
            "by systemd from within the same systemd scope.",
        )


@value
class Inside:
    """What is known of the container that is entered."""

    name: str
    init: ProcessId
    groups: Mapping[str, Path]
    """its control groups, by controller; empty where limits are soft"""
    limits: Limits


class Entrance:
    """Starts processes inside one container."""

    def __init__(self, inside: Inside, program: bytes) -> None:
        self._inside, self._program = inside, program

    def start(
        self, spec: ContainerSpec, *, streams: Streams, publish: int | None = None
    ) -> EnteredProcess:
        """Begin ``spec``'s command in there. Raises ContainerEndedError and EnterError."""
        assert publish is None
        with self._opened_door() as door:
            return self._enter(door, spec, streams)

    def open_terminal(self) -> tuple[int, int]:
        """One that has a name in there, the window's side first. Raises as ``start`` does."""
        with self._opened_door() as door:
            return open_terminal(door)

    @contextlib.contextmanager
    def _opened_door(self) -> Iterator[Door]:
        name = self._inside.name
        try:
            with Door(self._inside.init) as door:
                yield door
        except ProcessLookupError as err:
            raise ContainerEndedError(name) from err
        except PermissionError as err:
            raise EnterError(name, str(err)) from err

    def _enter(self, door: Door, spec: ContainerSpec, streams: Streams) -> EnteredProcess:
        hand_over_streams((streams.stdin, streams.stdout, streams.stderr))
        (said, said_end), (go_end, go), (lifeline_end, lifeline) = (os.pipe() for _ in range(3))
        try:
            watcher = fork_watcher(
                Entry(
                    steps=door.steps,
                    streams=streams,
                    argv=self._argv(spec),
                    env=self._env(spec),
                    filter=self._program,
                    last_capability=last_capability(),
                    said_fd=said_end,
                    go_fd=go_end,
                    lifeline=lifeline_end,
                    ours=(said, go, lifeline),
                )
            )
        except BaseException:  # Ctrl-C too: half a process is none
            os.close(lifeline)
            raise
        finally:
            for descriptor in (said_end, go_end, lifeline_end):
                os.close(descriptor)
        with os.fdopen(said, "rb") as answer, os.fdopen(go, "wb", buffering=0) as word:
            process = EnteredProcess(spec, watcher, lifeline)
            try:
                self._let_in(process, answer, word, init_fd=door.init_fd)
            except BaseException:  # Ctrl-C too: half a process is none
                process.remove()
                raise
            return process

    def _let_in(
        self, process: EnteredProcess, answer: BinaryIO, word: BinaryIO, *, init_fd: int
    ) -> None:
        """Put the process into the container's control groups; then it becomes the command."""
        first = answer.readline() if _is_readable(answer.fileno()) else b""
        if first.strip().isdigit():
            process.pid = int(first)
            self._limit(process.pid)
            with contextlib.suppress(BrokenPipeError):  # it has ended, and has said why
                word.write(GO)
            first = b""
        # The container's own processes may stop it on its way, and we wait for nobody's pleasure.
        if not _is_readable(answer.fileno()):
            raise EnterError(self._inside.name, f"Not within {_START_TIMEOUT:g} seconds.")
        said = (first + answer.read()).decode("utf-8", "replace")
        if said or process.pid is None:
            if has_ended(init_fd, _END_TIMEOUT if not said else 0.0):
                raise ContainerEndedError(self._inside.name)
            raise EnterError(self._inside.name, said)

    def _limit(self, pid: int) -> None:
        groups = self._inside.groups
        if not groups:
            return
        is_v2 = len(set(groups.values())) == 1
        for entrance in Cgroup(dirs=groups, is_v2=is_v2).entrances:
            try:
                entrance.write_text(str(pid))
            except FileNotFoundError as err:
                raise ContainerEndedError(self._inside.name) from err
            except OSError as err:
                raise EnterError(self._inside.name, f"Its limits: {err}") from err

    def _env(self, spec: ContainerSpec) -> Mapping[str, str]:
        """As of the container's own process."""
        return spec.env if self._inside.groups else with_memory(spec.env, self._inside.limits)

    def _argv(self, spec: ContainerSpec) -> tuple[str, ...]:
        _, hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits = process_limits(
            self._inside.limits, is_soft=not self._inside.groups, hard_files=hard_files
        )
        return ("/bin/bash", "-p", "-c", _BEGIN, "slugkit-begin", limits, *spec.argv)


class EnteredProcess:
    """What was started inside."""

    address: Address | None = None

    def __init__(self, spec: ContainerSpec, watcher: int, lifeline: int) -> None:
        self.id = f"{spec.name}-{watcher}"
        self.spec = spec
        self.pid: int | None = None
        """of the process itself, outside"""
        self._watcher, self._lifeline = watcher, lifeline
        self.exit_fd = os.pidfd_open(watcher)
        self._code: int | None = None
        self._is_removed = False

    def poll(self) -> int | None:
        if self._code is None and has_ended(self.exit_fd):
            _, status = os.waitpid(self._watcher, 0)
            code = os.waitstatus_to_exitcode(status)
            self._code = code if code >= 0 else 128 - code
        return self._code

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def was_oom_killed(self) -> bool:
        """Its memory is the container's, whose log tells."""
        return False

    def remove(self) -> None:
        """End what it left in its session; what began one of its own is the container's now."""
        if self._is_removed:
            return
        self._is_removed = True
        self.kill()
        if not has_ended(self.exit_fd, _END_TIMEOUT):
            os.kill(self._watcher, signal.SIGKILL)
            has_ended(self.exit_fd, _END_TIMEOUT)
        self.poll()
        os.close(self._lifeline)
        os.close(self.exit_fd)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            end_remains(self.pid, number)


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_START_TIMEOUT * 1000))
