"""Containers on the Docker engine: streams, signals, ports, names, and what a killed run leaves."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.engines.base import Streams
from runner.engines.docker import DockerEngine
from runner.errors import EngineUnavailableError, PortInUseError
from tests.integration import docker_support as support
from tests.integration.docker_support import Wanted
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.docker]

ROOT = Path(__file__).resolve().parents[3]


def test_output_and_errors_stay_apart(engine: DockerEngine) -> None:
    done = support.run(engine, Wanted(command="echo out; echo err >&2; exit 7"))
    assert (done.code, done.output, done.errors) == (7, "out\n", "err\n")


def test_ten_megabytes_pass_both_ways_unchanged(engine: DockerEngine) -> None:
    data = os.urandom(10 << 20)
    done = support.run(engine, Wanted(command="tee >(wc -c >&2) | sha256sum"), stdin=data)
    import hashlib

    assert done.output.split()[0] == hashlib.sha256(data).hexdigest()
    assert done.errors.strip() == str(len(data))


def test_a_pipe_is_read_and_written_at_the_same_time(engine: DockerEngine) -> None:
    data = b"0123456789abcdef" * (4 << 16)
    assert support.run(engine, Wanted(command="cat"), stdin=data).output.encode() == data


def test_standard_input_is_empty_unless_given(engine: DockerEngine) -> None:
    assert support.run(engine, Wanted(command="cat; echo end")).output == "end\n"


def test_terminate_reaches_every_process(engine: DockerEngine) -> None:
    child = "trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.1; done"
    command = f"bash -c \"{child}\" & trap 'wait; echo parent; exit 3' TERM; wait; wait"
    reader, writer = os.pipe()
    container = support.start(
        engine, Wanted(command=command), Streams(stdin=None, stdout=writer, stderr=writer)
    )
    os.close(writer)
    try:
        assert os.read(reader, 64) == b"ready\n"
        container.terminate()
        assert support.wait(container) == 3
        output = b"".join(iter(lambda: os.read(reader, 4096), b"")).split()
    finally:
        container.remove()
        os.close(reader)
    assert {b"child", b"parent"} <= set(output)


def test_kill_ends_what_ignores_signals(engine: DockerEngine) -> None:
    stubborn = Wanted(command="trap '' TERM; while :; do sleep 0.1; done")
    with support.running(engine, stubborn) as container:
        container.terminate()
        time.sleep(0.5)
        assert container.poll() is None
        container.kill()
        assert support.wait(container) == 137


def test_output_is_complete_when_the_end_is_announced(engine: DockerEngine) -> None:
    done = support.run(engine, Wanted(command="seq 200000"))
    assert done.output.splitlines()[-1] == "200000"


def test_a_terminal_is_a_terminal_with_the_size_of_ours(engine: DockerEngine) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (33, 111))
    streams = Streams(stdin=theirs, stdout=theirs, stderr=theirs, terminal=True)
    container = support.start(
        engine, Wanted(command="sleep 0.5; tty; stty size; read line; echo got $line"), streams
    )
    os.close(theirs)
    output = b""
    try:
        while b"33 111" not in output:
            output += read_within(ours)
        os.write(ours, b"hello\n")
        assert support.wait(container) == 0
        while b"got hello" not in output:
            output += read_within(ours)
    finally:
        container.remove()
        os.close(ours)
    assert b"/dev/pts/0" in output


def read_within(descriptor: int, seconds: float = 10) -> bytes:
    readable, _, _ = select.select([descriptor], [], [], seconds)
    assert readable
    return os.read(descriptor, 4096)


def test_control_c_in_a_terminal_interrupts_the_command(engine: DockerEngine) -> None:
    ours, theirs = pty.openpty()
    streams = Streams(stdin=theirs, stdout=theirs, stderr=theirs, terminal=True)
    container = support.start(engine, Wanted(command="echo up; sleep 60; echo never"), streams)
    os.close(theirs)
    try:
        while b"up" not in read_within(ours):
            continue
        os.write(ours, b"\x03")
        assert support.wait(container) == 130
    finally:
        container.remove()
        os.close(ours)


def test_a_shell_ends_at_once_when_it_is_stopped(engine: DockerEngine) -> None:
    """It ignores SIGTERM, so it gets the SIGHUP that sshd would send."""
    ours, theirs = pty.openpty()
    streams = Streams(stdin=theirs, stdout=theirs, stderr=theirs, terminal=True)
    container = support.start(engine, Wanted(command="exec bash --norc"), streams)
    os.close(theirs)
    output = b""
    try:
        os.write(ours, b"echo $((40 + 2))\n")
        while b"42" not in output:
            output += read_within(ours, 30)
        container.terminate()  # and nobody kills
        assert support.wait(container) == 128 + signal.SIGHUP
    finally:
        container.remove()
        os.close(ours)


def test_container_answers_at_its_own_address(engine: DockerEngine) -> None:
    with support.running(engine, Wanted(command=support.GREETER, port=5000)) as container:
        address = container.address
        assert address is not None
        assert address.port == 5000
        until(lambda: bool(container.listeners()))
        with socket.create_connection((address.host, address.port), timeout=5) as client:
            assert client.recv(5) == b"hello"
        ports = support.docker("port", container.id)
    assert ports == ""  # nothing was opened on the host for it


def test_published_port_is_on_the_loopback_alone(engine: DockerEngine) -> None:
    port = free_port()
    wanted = Wanted(command=support.GREETER, port=5000, publish=port)
    with support.running(engine, wanted) as container:
        assert str(container.address) == f"127.0.0.1:{port}"
        until(lambda: bool(container.listeners()))
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            assert client.recv(5) == b"hello"
        assert support.docker("port", container.id) == f"5000/tcp -> 127.0.0.1:{port}\n"


def test_published_port_in_use_is_said_and_leaves_nothing(engine: DockerEngine) -> None:
    before = support.leftovers()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            support.run(engine, Wanted(command="true", port=5000, publish=port))
    assert caught.value.exit_code == ExitCode.TRY_AGAIN
    assert caught.value.text() == (
        f"Port {port} is already in use\n\n"
        f"127.0.0.1:{port} is held by {caught.value.holder}.\n\n"
        f"Stop that program, or choose another port: --port {port + 1}"
    )
    assert support.leftovers() == before


def test_a_new_window_size_reaches_the_terminal_inside(engine: DockerEngine) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (33, 111))
    streams = Streams(stdin=theirs, stdout=theirs, stderr=theirs, terminal=True)
    watch = Wanted(command="trap 'stty size' WINCH; echo up; while :; do sleep 0.1; done")
    container = support.start(engine, watch, streams)
    os.close(theirs)
    output = b""
    try:
        while b"up" not in output:
            output += read_within(ours)
        termios.tcsetwinsize(ours, (44, 122))
        while b"44 122" not in output:
            output += read_within(ours)
    finally:
        container.remove()
        os.close(ours)


def test_a_program_that_does_not_exist_ends_with_127(engine: DockerEngine) -> None:
    assert support.run(engine, Wanted(command="no-such-program")).code == 127


def test_the_same_slug_is_not_loaded_twice(slug: Path, engine: DockerEngine) -> None:
    notices: list[str] = []
    with support.make_engine(slug, notices=notices):
        assert notices == []


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from tests.integration import docker_support as support
engine = support.make_engine(Path(sys.argv[1])).__enter__()
with support.running(engine, support.Wanted(command="exec sleep 600")) as container:
    print(container.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_run_removes_what_a_killed_one_left(slug: Path) -> None:
    before = support.leftovers()
    argv = [sys.executable, "-c", KILLED_RUN, str(slug)]
    killed = subprocess.run(argv, cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = killed.stdout.decode().strip()
    assert left in support.leftovers()
    notices: list[str] = []
    with (
        contextlib.suppress(subprocess.CalledProcessError),
        support.make_engine(slug, notices=notices),
    ):
        assert left not in support.leftovers()
    assert "Removed the container web.1 of a run that was killed" in notices
    assert support.leftovers() == before


def test_no_engine_says_what_to_install(slug: Path, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/docker.sock"
    with pytest.raises(EngineUnavailableError) as caught:
        support.make_engine(slug, env={"DOCKER_HOST": nowhere}).__enter__()
    assert caught.value.text() == (
        "The docker engine cannot run here\n\n"
        f"- no engine answers at {nowhere}\n\n"
        "Install and start one:   apt-get install docker.io\n"
        "Or name another engine:  DOCKER_HOST=tcp://HOST:2376"
    )
