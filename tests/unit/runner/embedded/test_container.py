"""Ending a container takes bounded time, whatever runs in it."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

import pytest

from buildpack.support.command import Command, spawn
from runner.engines.embedded import container as container_module
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.launcher import Launched
from runner.formation import ContainerSpec
from slugc.procfile import ProcessType


def test_terminate_ends_though_new_processes_never_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that forks faster than it is looked at must not keep its own SIGKILL away."""
    chain = spawn(Command(argv=("/bin/sleep", "60"), cwd=Path("/"), env={}))
    spec = ContainerSpec(
        process_type=ProcessType("web"), ordinal=1, command="x", argv=("x",), env={}, port=None
    )
    launched = Launched(chain=chain, chain_fd=-1, init_pid=chain.pid, init_fd=None, network_fd=None)
    container = EmbeddedContainer(
        id="x", spec=spec, address=None, launched=launched, cgroup=None, release=lambda: None
    )
    pids, signalled = count(1 << 22), []
    monkeypatch.setattr(container_module, "descendants", lambda _: {next(pids), next(pids)})
    monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append((pid, number)))
    container.terminate()
    monkeypatch.undo()
    chain.kill()
    chain.wait()
    assert 2 <= len(signalled) <= 100
    assert {number for _, number in signalled} == {signal.SIGTERM}


def test_what_the_kernel_cannot_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that waits for a disk that is gone has the signal, and does not end."""

    class Deaf:
        pid = 1

        def poll(self) -> int | None:
            return None

        def wait(self) -> int:
            raise AssertionError("nobody knows for how long")

        def kill(self) -> None: ...

    class Busy:
        def has_oom_kill(self) -> bool:
            return False

        def kill(self) -> None: ...

        def remove(self) -> None:
            raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(container_module, "_END_TIMEOUT_MS", 10)
    reader, writer = os.pipe()
    spec = ContainerSpec(
        process_type=ProcessType("web"), ordinal=1, command="x", argv=("x",), env={}, port=None
    )
    released: list[str] = []
    container = EmbeddedContainer(
        id="x",
        spec=spec,
        address=None,
        launched=Launched(
            chain=Deaf(), chain_fd=reader, init_pid=None, init_fd=None, network_fd=None
        ),
        cgroup=Busy(),  # type: ignore[arg-type]  # all of a group that is used here
        release=lambda: released.append("x"),
    )
    container.remove()
    os.close(writer)
    assert (container.is_removed, released) == (True, ["x"])
