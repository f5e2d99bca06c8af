"""The namespaces of a container, held open, in the order they can be joined in."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from runner.engines.embedded.identity import ProcessId, has_ended, open_process

# linux/nsfs.h: a descriptor of the user namespace that owns a namespace
_NS_GET_USERNS = 0xB701

_OWNED_BY_CONTAINER = ("mnt", "ipc", "uts", "cgroup", "pid")


class Door:
    """A container's namespaces. ``steps`` is the order in which they are joined.

    Each can be joined by who has rights over the user namespace that owns it, and rights over one
    come with joining it. So: the app's (starter.py), which owns the network; the one bubblewrap
    makes, which owns the others; last the container's own, where no more can be made and whose
    rights over anything else are none.
    """

    def __init__(self, init: ProcessId) -> None:
        self.steps: tuple[int, ...] = ()
        self.init_fd = _opened_init(init)
        self._open = [self.init_fd]
        try:
            self.steps = self._open_steps(Path(f"/proc/{init.pid}/ns"))
            if has_ended(self.init_fd):  # then the number may have been another's
                raise ProcessLookupError(init.pid)
        except FileNotFoundError as err:
            self.close()
            raise ProcessLookupError(init.pid) from err
        except BaseException:  # Ctrl-C too: nobody else knows what is open
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()

    def _open_steps(self, namespaces: Path) -> tuple[int, ...]:
        def opened(name: str) -> int:
            return self._keep(os.open(namespaces / name, os.O_RDONLY | os.O_CLOEXEC))

        network, own = opened("net"), opened("user")
        others = [opened(name) for name in _OWNED_BY_CONTAINER]
        app, outer = (self._keep(owner_of(each)) for each in (network, others[0]))
        # To join the one we are in already is refused.
        last = () if os.fstat(own).st_ino == os.fstat(outer).st_ino else (own,)
        return (app, network, outer, *others, *last)

    def _keep(self, descriptor: int) -> int:
        self._open.append(descriptor)
        return descriptor


def owner_of(namespace: int) -> int:
    """The user namespace that owns ``namespace``, opened."""
    return fcntl.ioctl(namespace, _NS_GET_USERNS)


def _opened_init(init: ProcessId) -> int:
    found = open_process(init)
    if found is None:
        raise ProcessLookupError(init.pid)
    return found
