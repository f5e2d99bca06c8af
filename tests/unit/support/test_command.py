"""Programs are data; starting one says clearly what went wrong."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from buildpack.support import command as door
from buildpack.support.command import (
    Command,
    CommandFailedError,
    CommandNotFoundError,
    CommandTimeoutError,
    capture,
    end,
    spawn,
    start,
    stream,
)
from buildpack.support.errors import ExitCode
from tests.waiting import PATIENCE


def sh(script: str, **env: str) -> Command:
    return Command(
        argv=("/bin/sh", "-c", script), cwd=Path("/"), env={"PATH": os.defpath, **env}, timeout=20
    )


def test_capture_returns_standard_output_only() -> None:
    assert capture(sh("echo out; echo err >&2")) == "out\n"


def test_capture_feeds_stdin() -> None:
    command = Command(argv=("/bin/cat",), cwd=Path("/"), env={}, stdin=b"hello")
    assert capture(command) == "hello"


@pytest.mark.parametrize("joined", [True, False])
def test_pipes_are_settled_before_the_program_begins(
    monkeypatch: pytest.MonkeyPatch, *, joined: bool
) -> None:
    """Else whoever opens /dev/stderr by name is asked too early whose it is."""
    order: list[str] = []

    def spawned(*args: object, **streams: object) -> door.Process:
        order.append("spawned")
        return spawn(*args, **streams)  # type: ignore[arg-type]  # handed on as they are

    monkeypatch.setattr(door, "spawn", spawned)
    command = sh("echo out; echo err >&2")
    process = start(command, joined=joined, settle=lambda _end: order.append("settled"))
    if joined:
        said: list[str] = []
        stream(command, said.append, started=process)
        assert said == ["out", "err"]
    else:
        assert capture(command, started=process) == "out\n"
    assert order == ["settled"] * (1 if joined else 2) + ["spawned"]


def test_a_pipe_that_cannot_be_settled_is_closed_and_nothing_begins(tmp_path: Path) -> None:
    def refuse(_end: int) -> None:
        raise PermissionError

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(PermissionError):
        start(sh(f"touch '{tmp_path / 'made'}'"), settle=refuse)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(tmp_path.iterdir()) == []


def test_environment_is_whole_and_explicit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "yes")
    assert capture(sh('echo "[$LEAK][$GIVEN]"', GIVEN="1")) == "[][1]\n"


def test_stream_hands_over_both_streams_line_by_line() -> None:
    lines: list[str] = []
    stream(sh("echo one; echo two >&2"), lines.append)
    assert sorted(lines) == ["one", "two"]


def test_a_failure_carries_the_code_and_the_last_lines() -> None:
    with pytest.raises(CommandFailedError) as caught:
        stream(sh("seq 1 50; exit 7"), lambda line: None)
    assert caught.value.code == 7
    assert caught.value.last_lines == tuple(str(n) for n in range(31, 51))


def test_a_failure_shows_the_short_form_a_person_would_type() -> None:
    command = Command(argv=("/bin/false",), cwd=Path("/"), env={}, title="pip install flask")
    with pytest.raises(CommandFailedError, match=r"^'pip install flask' failed with exit code 1$"):
        capture(command)


def test_a_missing_program_is_named() -> None:
    command = Command(argv=("no-such-program",), cwd=Path("/"), env={"PATH": "/nowhere"})
    with pytest.raises(CommandNotFoundError) as caught:
        capture(command)
    assert caught.value.text() == (
        "The program 'no-such-program' was not found\n\n"
        "Install it, or put the directory that holds 'no-such-program' on PATH."
    )
    assert caught.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize("run", [capture, lambda command: stream(command, lambda line: None)])
def test_a_time_limit_kills_the_program_and_what_it_started(run: object, tmp_path: Path) -> None:
    marker = tmp_path / "still-alive"
    command = Command(
        argv=("/bin/sh", "-c", f"(sleep 1; touch {marker}) & wait"),
        cwd=Path("/"),
        env={"PATH": os.defpath},
        timeout=0.2,
        title="a build",
    )
    assert callable(run)
    with pytest.raises(CommandTimeoutError, match=r"^'a build' took longer than 0.2 seconds$"):
        run(command)
    time.sleep(1.2)
    assert not marker.exists()


def test_spawn_leaves_the_program_running() -> None:
    process = spawn(Command(argv=(sys.executable, "-c", "input()"), cwd=Path("/"), env={}))
    assert process.wait(timeout=PATIENCE) == 1  # /dev/null for stdin: EOFError


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
def test_a_command_of_another_user_is_theirs_before_its_first_instruction() -> None:
    command = Command(
        argv=("/bin/sh", "-c", "id -u; id -g; id -G"),
        cwd=Path("/"),
        env={"PATH": os.defpath},
        uid=1879050000,
    )
    assert capture(command).split() == ["1879050000"] * 3


def test_ctrl_c_while_its_end_is_looked_for_leaves_nobody_waiting() -> None:
    """CPython's lock around waitpid(2) stays taken then: as it is here."""
    process = start(Command(argv=("sleep", "4242"), cwd=Path("/"), env={"PATH": "/usr/bin:/bin"}))
    process._waitpid_lock.acquire()  # type: ignore[attr-defined]  # what no Ctrl-C hits on demand

    end(process)

    assert process.returncode == -signal.SIGKILL
    assert not Path(f"/proc/{process.pid}").exists()


def test_an_end_that_was_seen_and_not_noted_is_one() -> None:
    process = start(Command(argv=("true",), cwd=Path("/"), env={"PATH": "/usr/bin:/bin"}))
    os.waitpid(process.pid, 0)
    process._waitpid_lock.acquire()  # type: ignore[attr-defined]  # as above

    end(process)

    assert process.returncode == -signal.SIGKILL
