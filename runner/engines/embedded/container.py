"""One running container, as the supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable

from buildpack.support.cgroups import Cgroup
from runner.engines.base import Address
from runner.engines.embedded.launcher import Launched
from runner.engines.embedded.processes import descendants
from runner.formation import ContainerSpec
from runner.ports import listening_sockets, read_listeners

_END_TIMEOUT_MS = 5000
_TERMINATE_ROUNDS = 10


class EmbeddedContainer:
    """The app inside its walls, and what the engine lent it.

    ``release`` gives back what the engine lent: address, port, directories.
    """

    # Not a dataclass: importing what makes one takes five milliseconds of every start.
    def __init__(  # what it is, what runs, what was lent
        self,
        *,
        id: str,  # noqa: A002  # a field's name
        spec: ContainerSpec,
        address: Address | None,
        launched: Launched,
        cgroup: Cgroup | None,
        release: Callable[[], None],
    ) -> None:
        self.id, self.spec, self.address = id, spec, address
        self.launched, self.cgroup, self.release = launched, cgroup, release
        self.is_removed = False
        self._oom_killed = False

    @property
    def exit_fd(self) -> int:
        return self.launched.chain_fd

    def poll(self) -> int | None:
        code = self.launched.chain.poll()
        return code if code is None or code >= 0 else 128 - code

    def terminate(self) -> None:
        """SIGTERM to every process but bubblewrap's own: with its init all would end at once.

        Again for those that appeared meanwhile, but not for ever: an app may start processes
        faster than we find them, and its time to end runs.
        """
        signalled: set[int] = set()
        init = self.launched.init_pid
        for _ in range(_TERMINATE_ROUNDS):
            if init is None or self.poll() is not None:
                return
            fresh = descendants(init) - signalled
            if not fresh:
                return
            for pid in fresh:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            signalled |= fresh

    def kill(self) -> None:
        """End the container's init: the kernel then kills all that is in its namespace.

        Also when the chain has ended: killed from outside, it may leave the init behind; so early
        that nobody had found that yet, it is in the container's group.
        """
        if self.is_removed:
            return
        if self.launched.init_fd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.launched.init_fd, signal.SIGKILL)
        elif self.cgroup is not None:
            self.cgroup.kill()

    def was_oom_killed(self) -> bool:
        if self.cgroup is not None and not self.is_removed:
            self._oom_killed = self.cgroup.has_oom_kill()
        return self._oom_killed

    def listeners(self) -> tuple[Address, ...]:
        """Every TCP address that listens in the container's network, but for what is ours there."""
        init = self.launched.init_pid
        found = () if init is None or self.is_removed else read_listeners(init)
        return tuple(each for each in found if each.port not in self.spec.host_ports)

    def takes_ipv4(self, listener: Address) -> bool:
        init, network = self.launched.init_pid, self.launched.network_fd
        if init is None or network is None or self.is_removed:
            return False
        from runner.engines.embedded.dual_stack import takes_ipv4

        return takes_ipv4(network, listener.port, listening_sockets(init, listener))

    def remove(self) -> None:
        if self.is_removed:
            return
        self.kill()
        has_ended = self._await_end()
        self.was_oom_killed()
        self.is_removed = True
        if self.launched.init_fd is not None:
            os.close(self.launched.init_fd)
        with contextlib.ExitStack() as stack:
            if not has_ended:
                # A process that the kernel cannot end now (a disk that is gone, a frozen group)
                # keeps what it uses; the next start sweeps it. Nobody else waits for it.
                stack.enter_context(contextlib.suppress(OSError))
            if self.launched.network_fd is not None:
                stack.callback(os.close, self.launched.network_fd)  # after its port is closed
            stack.callback(self.release)
            if self.cgroup is not None:
                self.cgroup.remove()

    def _await_end(self) -> bool:
        """Wait for both, not for ever; the chain may be gone a moment before the init.

        Of an init that was never found nobody knows.
        """
        for descriptor in (self.launched.chain_fd, self.launched.init_fd):
            if descriptor is not None and not _is_readable(descriptor, _END_TIMEOUT_MS):
                self.launched.chain.kill()
        has_ended = _is_readable(self.launched.chain_fd, _END_TIMEOUT_MS)
        if has_ended:
            self.launched.chain.wait()
        os.close(self.launched.chain_fd)
        init = self.launched.init_fd
        return has_ended and init is not None and _is_readable(init, 0)


def _is_readable(descriptor: int, timeout_ms: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_ms))
