"""One container under watch: what was said of it, and what is to be said now."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from buildpack.support.cgroups import Cgroup
from runner.metrics import lines
from runner.metrics.from_cgroup import read_charged, read_group, threads_of
from runner.metrics.from_proc import read_at_most, read_processes
from runner.metrics.load import Load
from runner.metrics.processes import count_running, count_threads, threads_in
from runner.metrics.usage import Launched, Usage
from runner.sizes import find_size

SAY_EVERY = 20.0
"""Seconds between two lines of a kind about one container: Heroku's."""


class Container(Protocol):
    """What of ``LastingContainer`` is used here."""

    @property
    def id(self) -> str: ...

    @property
    def cgroup(self) -> Cgroup | None: ...

    @property
    def launched(self) -> Launched: ...

    def kill(self) -> None: ...


class Watch:
    """What was said of one container. ``look`` gives what there is to say now."""

    def __init__(self, container: Container, *, name: str, size: str, is_known: bool) -> None:
        """``is_known``: it was there before us, and somebody has told what it did until now."""
        self._container, self._name = container, name
        self._size = find_size(size)
        self._said: dict[str, float] = {}
        self._load = Load()
        group = container.cgroup
        self.killed = group.oom_kills() if is_known and group is not None else 0
        """how many processes the kernel killed for want of memory, as far as was told"""
        self._refused = group.refused_processes() if is_known and group is not None else 0

    def look(self, now: float, pids: Collection[int], *, has_metrics: bool) -> Iterator[str]:
        """The lines that are due. ``pids``, its processes, are asked where it has no group."""
        is_due = has_metrics and self._is_due("metrics", now)
        usage = self._measure(pids, is_needed=is_due)
        if is_due and usage is not None:
            yield from self._metrics(now, usage, pids)
        yield from self._memory(now, usage)
        yield from self._processes(now, pids)

    def _measure(self, pids: Collection[int], *, is_needed: bool) -> Usage | None:
        """None when nobody needs to know, because nothing is above its quota."""
        group = self._container.cgroup
        most = read_at_most(pids) if group is None else read_charged(group)
        if not is_needed and most <= self._size.memory:
            return None
        return read_processes(pids) if group is None else read_group(group)

    def _metrics(self, now: float, usage: Usage, pids: Collection[int]) -> Iterator[str]:
        seconds = now - self._said["metrics"] if "metrics" in self._said else SAY_EVERY
        self._said["metrics"] = now
        group = self._container.cgroup
        threads = threads_in(pids) if group is None else threads_of(group)
        self._load.add(count_running(threads), seconds=seconds)
        yield lines.load_line(self._name, self._container.id, self._load)
        yield lines.memory_line(self._name, self._container.id, usage, self._size.memory)

    def _memory(self, now: float, usage: Usage | None) -> Iterator[str]:
        group, most = self._container.cgroup, self._size.most_memory
        killed = 0 if group is None else group.oom_kills()
        if killed > self.killed:
            yield lines.killed_line(self._type, killed - self.killed, most)
            self.killed = killed
        if usage is None or usage.memory <= self._size.memory:
            return
        if group is None and usage.memory > most:  # where there is a group the kernel does it
            yield lines.running_line(usage.memory, self._size.memory)
            yield lines.vastly_exceeded_line(self._type, most)
            self._container.kill()
        elif self._take("memory", now):
            yield lines.running_line(usage.memory, self._size.memory)
            yield lines.exceeded_line()

    def _processes(self, now: float, pids: Collection[int]) -> Iterator[str]:
        group, limit = self._container.cgroup, self._size.pids
        if group is None:
            if count_threads(pids) >= limit and self._take("processes", now):
                yield lines.processes_line(self._type, limit, None)
            return
        refused = group.refused_processes()
        if refused > self._refused and self._take("processes", now):
            yield lines.processes_line(self._type, limit, refused - self._refused)
            self._refused = refused

    def _take(self, what: str, now: float) -> bool:
        """Whether a line about it may be said again; it is, then."""
        if not self._is_due(what, now):
            return False
        self._said[what] = now
        return True

    def _is_due(self, what: str, now: float) -> bool:
        return what not in self._said or now - self._said[what] >= SAY_EVERY

    @property
    def _type(self) -> str:
        return self._name.rpartition(".")[0]
