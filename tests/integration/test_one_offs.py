"""One-offs as a person runs them, on each engine of this machine: exit codes, pipes, terminals."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pexpect
import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.hierarchies import find_hierarchies
from tests.integration.mounts import unmount_for_all, with_a_disk
from tests.integration.slug_run_support import ENGINES, Tiny, make_tiny
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=ENGINES)
def slug_run(request: pytest.FixtureRequest, session_dir: Path) -> Tiny:
    return make_tiny(request.param, session_dir)


def test_a_one_off_gives_its_own_exit_code_home_and_name(slug_run: Tiny) -> None:
    done = slug_run.run("--quiet", 'echo "$DYNO ${PORT-none} $PWD = $HOME $GREETING"; exit 7')
    assert done.returncode == 7
    found = re.fullmatch(r"run\.\d{4} none (\S+) = (\S+) profile\n", done.stdout.decode())
    assert found is not None
    assert found[1] == found[2]
    if slug_run.engine == "embedded":
        assert found[1] == "/app"


@pytest.mark.parametrize(
    ("words", "code"), [(("no-such-program",), 127), (("kill -9 $$",), 137), (("false",), 1)]
)
def test_a_one_off_reports_how_it_ended(slug_run: Tiny, words: tuple[str, ...], code: int) -> None:
    assert slug_run.run("--", *words).returncode == code


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_one_that_is_killed_for_memory_is_told_why(slug_run: Tiny) -> None:
    hog = ("python3", "-c", "x = bytearray(200 << 20)")
    done = slug_run.run("-q", "--memory", "64M", "--", *hog)
    if slug_run.engine == "host":  # which sets no limits
        assert done.returncode == 0
        return
    assert done.returncode == 137
    said = rb"run\.\d+: Error R15 \(Memory quota vastly exceeded\) -> killed at the limit; "
    assert re.search(said + rb"--memory raises it\n$", done.stderr), done.stderr


def test_a_command_that_is_none_is_no_success(slug_run: Tiny) -> None:
    for words in (("",), ("--", "  "), ("--",), ()):
        done = slug_run.run(*words)
        assert (done.returncode, done.stdout) == (64, b"")


def test_a_one_off_takes_a_process_type_and_more_words(slug_run: Tiny) -> None:
    done = slug_run.run("args", "--", "a b", "$HOME")
    assert done.stdout == b"<--><a b><$HOME>"
    assert slug_run.run("args", "1", "2").stdout == b"<1><2>"


def test_a_one_off_is_clean_of_our_words_and_keeps_streams_apart(slug_run: Tiny) -> None:
    done = slug_run.run("echo out; echo err >&2")
    assert done.stdout == b"out\n"
    assert done.stderr.endswith(b"err\n")
    assert b"Running `echo out; echo err >&2` in run." in done.stderr


def test_its_streams_can_be_opened_by_name(slug_run: Tiny) -> None:
    """As `gunicorn --access-logfile /dev/stdout` and `psql -f /dev/stdin` do."""
    program = "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin"
    done = slug_run.run("--quiet", program, stdin=b"in")
    assert (done.returncode, done.stdout) == (0, b"out\nin")
    assert done.stderr.endswith(b"err\n")  # the host engine warns before


def test_a_terminal_can_be_opened_by_name(slug_run: Tiny) -> None:
    first, *rest = slug_run.argv("run", "--quiet", "echo out >/dev/stdout; cat </dev/stdin")
    env = {**slug_run.env, "TERM": "xterm"}
    child = pexpect.spawn(first, rest, cwd=str(slug_run.directory), env=env, timeout=30)
    child.expect_exact("out")
    child.sendline("in")
    child.expect_exact("in\r\nin\r\n")  # typed, and read
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_ten_megabytes_go_both_ways_unharmed(slug_run: Tiny) -> None:
    payload = os.urandom(10_000_000)
    done = slug_run.run("--quiet", "cat", stdin=payload)
    assert done.returncode == 0
    assert done.stdout == payload


def test_a_one_off_ends_when_nobody_reads_it(slug_run: Tiny) -> None:
    with subprocess.Popen(
        slug_run.argv("run", "--quiet", "yes"),
        cwd=slug_run.directory,
        env=slug_run.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(timeout=30) in {1, 141}


def test_a_terminal_is_real_and_put_back(slug_run: Tiny) -> None:
    program = "stty size; test -t 0 && test -t 1 && echo both; read word; echo got $word"
    child = pexpect.spawn(
        slug_run.argv("run", "--quiet", program)[0],
        slug_run.argv("run", "--quiet", program)[1:],
        cwd=str(slug_run.directory),
        env={**slug_run.env, "TERM": "xterm"},
        dimensions=(33, 77),
        timeout=30,
    )
    child.expect_exact("33 77")
    child.expect_exact("both")
    child.sendline("hello")
    child.expect_exact("got hello")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_resized_terminal_is_passed_on(slug_run: Tiny) -> None:
    argv = slug_run.argv(
        "run", "-q", "trap 'stty size' WINCH; echo go; while :; do sleep 0.1; done"
    )
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(slug_run.directory), env=slug_run.env, timeout=30
    )
    child.expect_exact("go")
    child.setwinsize(40, 100)
    child.expect_exact("40 100")
    for _ in range(30):  # bash survives a Ctrl-C that a command of its own has survived
        child.sendcontrol("c")
        if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0:
            break
    child.close()
    assert child.exitstatus == 130


def test_a_terminal_is_lent_again_after_a_pause(slug_run: Tiny) -> None:
    """kill -STOP, or a shell's own suspend: the shell takes its terminal back, then comes `fg`."""
    argv = slug_run.argv("run", "-q", "while read word; do echo got $word; done; exit 5")
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(slug_run.directory), env=slug_run.env, timeout=30
    )
    child.sendline("one")
    child.expect_exact("got one")
    raw = termios.tcgetattr(child.child_fd)
    child.kill(signal.SIGSTOP)
    until(lambda: "T (stopped)" in Path(f"/proc/{child.pid}/status").read_text())
    cooked = [raw[0] | termios.ICRNL, *raw[1:3], raw[3] | termios.ICANON | termios.ECHO, *raw[4:]]
    termios.tcsetattr(child.child_fd, termios.TCSANOW, cooked)
    child.setwinsize(40, 100)
    child.kill(signal.SIGCONT)
    until(lambda: termios.tcgetattr(child.child_fd)[3] == raw[3])
    child.sendline("two")
    child.expect_exact("got two")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5


def test_ctrl_z_is_for_the_shell_in_the_container(slug_run: Tiny) -> None:
    argv = slug_run.argv("run", "-q", "exec bash --norc")
    env = {**slug_run.env, "TERM": "dumb"}
    child = pexpect.spawn(argv[0], argv[1:], cwd=str(slug_run.directory), env=env, timeout=30)
    child.sendline("sh -c 'echo be\\gun; exec sleep 1000'; echo stopped $?")
    child.expect_exact("begun")
    child.sendcontrol("z")
    child.expect_exact("stopped 148")
    child.sendline("fg")
    child.expect_exact("exec sleep 1000'\r\n")  # bash shows what goes on
    child.sendcontrol("c")
    child.sendline("echo ended $?")
    child.expect_exact("ended 130")
    child.sendline("exit 4")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 4


def test_ctrl_z_harms_nothing_where_no_shell_is_there_to_go_on(slug_run: Tiny) -> None:
    argv = slug_run.argv("run", "-q", "exec sh -c 'read word; echo got $word'")
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(slug_run.directory), env=slug_run.env, timeout=30
    )
    child.sendcontrol("z")
    child.sendline("hello")
    child.expect_exact("got")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_with_pipes_ctrl_z_stops_and_fg_goes_on_where_it_was(slug_run: Tiny) -> None:
    with subprocess.Popen(
        slug_run.argv("run", "-q", "cat; exit 6"),
        cwd=slug_run.directory,
        env=slug_run.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"one\n"
        os.killpg(process.pid, signal.SIGTSTP)
        until(lambda: "T (stopped)" in Path(f"/proc/{process.pid}/status").read_text())
        process.stdin.write(b"two\n")
        process.stdin.flush()
        os.killpg(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == b"two\n"
        process.stdin.close()
        assert process.wait(timeout=30) == 6


def test_the_terminal_is_sane_again_after_a_signal(slug_run: Tiny) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with subprocess.Popen(
        slug_run.argv("run", "-q", "echo ready; sleep 60"),
        cwd=slug_run.directory,
        env=slug_run.env,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        shown = b""
        while b"ready" not in shown:
            shown += os.read(master, 1000)
        assert termios.tcgetattr(slave)[3] != before[3]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "-q", "echo ready; sleep 60"), b"ready"),
        (("run", "-q", "trap '' TERM; echo ready; sleep 60"), b"ready"),  # as interactive shells do
        (("worker",), b"working"),
    ],
)
def test_closing_the_terminal_stops_it_gently(
    slug_run: Tiny, words: tuple[str, ...], said: bytes
) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        ("setsid", "--ctty", *slug_run.argv(*words)),
        cwd=slug_run.directory,
        env=slug_run.env,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        shown = b""
        while said not in shown:
            shown += os.read(master, 1000)
        os.close(master)
        assert process.wait(timeout=30) == 128 + signal.SIGHUP


@pytest.mark.parametrize(
    ("limit", "number", "code"),
    [((), signal.SIGTERM, 143), (("--time-limit", "2s"), None, ExitCode.TIME_LIMIT)],
)
def test_a_shell_ends_at_once_when_it_is_stopped(
    slug_run: Tiny, limit: tuple[str, ...], number: int | None, code: int
) -> None:
    """It ignores SIGTERM, so it gets the SIGHUP that sshd would send."""
    argv = slug_run.argv("run", "-q", "--stop-timeout", "600", *limit, "exec bash --norc")
    child = pexpect.spawn(
        argv[0],
        argv[1:],
        cwd=str(slug_run.directory),
        env={**slug_run.env, "TERM": "dumb"},
        timeout=30,
    )
    child.sendline("echo $((40 + 2))")
    child.expect_exact("\n42")
    if number is not None:
        child.kill(number)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code


@contextlib.contextmanager
def one_off_beside_a_disk(
    slug_run: Tiny, disk: Path, command: str
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]]:
    """One that runs where a disk is mounted, with its input and output."""
    with subprocess.Popen(
        with_a_disk(disk, *slug_run.argv("run", "-q", command)),
        cwd=slug_run.directory,
        env=slug_run.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process, process.stdin, process.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="mounts")
def test_a_disk_that_is_unmounted_is_not_kept_by_a_container(
    slug_run: Tiny, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with one_off_beside_a_disk(slug_run, disk, "echo ready; read -r line") as (
        process,
        stdin,
        stdout,
    ):
        assert stdout.readline() == b"ready\n"
        unmount_for_all(disk, process.pid)
        stdin.close()
        assert process.wait(timeout=30) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="mounts")
@pytest.mark.embedded
def test_what_is_mounted_among_programs_while_a_container_runs_is_not_in_it(
    session_dir: Path, tmp_path: Path
) -> None:
    slug_run = make_tiny("embedded", session_dir)
    ours = "/usr/share/doc"
    command = f"stat -c %d {ours}; read -r line; stat -c %d {ours}; echo x >{ours}/x || echo no"
    with one_off_beside_a_disk(slug_run, tmp_path, command) as (process, stdin, stdout):
        before = stdout.readline()
        mount = ("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", ours)
        inside = ("nsenter", f"--mount=/proc/{process.pid}/ns/mnt")
        subprocess.run((*inside, *mount), check=True, timeout=30)
        stdin.write(b"go on\n")
        stdin.close()
        assert stdout.read() == before + b"no\n"
        assert process.wait(timeout=30) == 0
