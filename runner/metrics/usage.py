"""How much a container uses now."""

from __future__ import annotations

from typing import Protocol

from buildpack.support.cgroups import Cgroup
from buildpack.support.values import value


@value
class Usage:
    """What all processes of one container use together. Bytes."""

    memory: int
    """what the kernel cannot take back: without its cache of files. This is what R14 goes by."""
    rss: int
    """of that, the processes' own"""
    cache: int
    """files the kernel has read for them, and what lies in /tmp and other memory file systems"""
    swap: int
    cpu_seconds: float
    """since it was started"""
    processes: int
    """and threads"""
    pages_in: int | None = None
    """charged to it since it was started; None where nobody counts them"""
    pages_out: int | None = None

    @property
    def total(self) -> int:
        """Heroku's memory_total."""
        return self.rss + self.cache + self.swap


class Launched(Protocol):
    """What of ``launcher.Launched`` is used here."""

    @property
    def init_pid(self) -> int | None: ...


class Measured(Protocol):
    """What of a container is used here."""

    @property
    def cgroup(self) -> Cgroup | None: ...

    @property
    def launched(self) -> Launched: ...


def read_usage(container: Measured) -> Usage | None:
    """What it uses now; None when it has ended."""
    if container.cgroup is not None:
        from runner.metrics.from_cgroup import read_group

        return read_group(container.cgroup)
    from runner.engines.embedded.processes import descendants
    from runner.metrics.from_proc import read_processes

    init = container.launched.init_pid
    return None if init is None else read_processes({init} | descendants(init))
