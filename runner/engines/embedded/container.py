"""One running container, as the supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.engines.base import Address
from runner.engines.embedded.cgroups import Cgroup
from runner.engines.embedded.launcher import Launched
from runner.formation import ContainerSpec
from runner.ports import read_listeners

_END_TIMEOUT_MS = 5000


@dataclass(slots=True)
class EmbeddedContainer:
    """The app between bubblewrap's two processes: the monitor, our child, and the init inside."""

    id: str
    spec: ContainerSpec
    address: Address | None
    launched: Launched
    cgroup: Cgroup | None
    release: Callable[[], None]
    """Gives back what the engine lent: address, port, directories."""
    _oom_killed: bool = False
    _removed: bool = False

    @property
    def exit_fd(self) -> int:
        return self.launched.monitor_fd

    def poll(self) -> int | None:
        code = self.launched.monitor.poll()
        return code if code is None or code >= 0 else 128 - code

    def terminate(self) -> None:
        """SIGTERM to every process, except bubblewrap's own two: the init would end at once."""
        signalled: set[int] = set()
        while self.poll() is None:
            fresh = descendants(self.launched.init_pid) - signalled
            if not fresh:
                return
            for pid in fresh:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            signalled |= fresh

    def kill(self) -> None:
        """End the container's init: the kernel then kills all that is in its namespace."""
        if self.launched.init_fd is not None and self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.launched.init_fd, signal.SIGKILL)

    def was_oom_killed(self) -> bool:
        if self.cgroup is not None and not self._removed:
            self._oom_killed = self.cgroup.has_oom_kill()
        return self._oom_killed

    def listeners(self) -> tuple[Address, ...]:
        """Every listening TCP address in the container's network."""
        return () if self._removed else read_listeners(self.launched.init_pid)

    def remove(self) -> None:
        if self._removed:
            return
        self.kill()
        self._await_end()
        self.was_oom_killed()
        self._removed = True
        if self.launched.init_fd is not None:
            os.close(self.launched.init_fd)
        if self.cgroup is not None:
            self.cgroup.remove()
        self.release()

    def _await_end(self) -> None:
        """Wait for both processes; the monitor may be gone a moment before the init."""
        for descriptor in (self.launched.monitor_fd, self.launched.init_fd):
            if descriptor is not None and not _is_readable(descriptor, _END_TIMEOUT_MS):
                self.launched.monitor.kill()
        self.launched.monitor.wait()
        os.close(self.launched.monitor_fd)


def _is_readable(descriptor: int, timeout_ms: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_ms))


def descendants(root: int, proc: Path = Path("/proc")) -> set[int]:
    """Every process below ``root``. Orphans belong to the container's init, so none is missed."""
    children: dict[int, list[int]] = {}
    for path in proc.iterdir():
        if path.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                children.setdefault(_parent(path), []).append(int(path.name))
    found: set[int] = set()
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found.update(below)
        todo += below
    return found


def _parent(process: Path) -> int:
    # The name stands in parentheses and may hold spaces and parentheses itself.
    return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
