"""Without walls, too, a phase leaves no process behind."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from buildpack.support.command import Command, spawn
from slugc.sandbox.base import SandboxCommand, SandboxRequest
from slugc.sandbox.none import NoSandbox

# A daemon: a session of its own, its parent gone, its streams closed.
DAEMON = "(setsid sh -c 'echo $$ >&3; exec sleep 60' </dev/null 3>&1 >/dev/null 2>&1 &); sleep 0.2"


def phase(script: str, timeout: float | None = 20) -> SandboxCommand:
    return SandboxCommand(
        argv=("/bin/sh", "-c", script),
        cwd=PurePosixPath("/"),
        env={"PATH": os.defpath},
        timeout=timeout,
    )


def sandbox(tmp_path: Path) -> NoSandbox:
    return NoSandbox(SandboxRequest(work_dir=tmp_path))


def test_a_daemon_of_a_phase_ends_with_it(tmp_path: Path) -> None:
    pids: list[str] = []
    sandbox(tmp_path).stream(phase(DAEMON), pids.append)
    pids.append(sandbox(tmp_path).capture(phase(DAEMON), pids.append).strip())
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_process_that_was_ours_before_lives_on(tmp_path: Path) -> None:
    other = spawn(Command(argv=("/bin/sleep", "60"), cwd=Path("/"), env={}))
    sandbox(tmp_path).stream(phase(DAEMON), lambda _: None)
    assert other.poll() is None
    other.kill()
    other.wait()
