"""The door to other programs, and the only file that imports subprocess.

A command is data (``Command``); starting it is one of three functions: ``stream`` shows its
output as it comes, ``capture`` returns it, ``spawn`` leaves it running. What ``start`` began,
``stream`` or ``capture`` goes on with, or ``end`` ends.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.reading import LineCutter, read_streams
from buildpack.support.values import value

if TYPE_CHECKING:
    import subprocess
    from typing import TypeAlias

LAST_LINES = 20
MAX_STREAMED = 32 * 1024 * 1024  # of each stream; after that, only the last lines are handed on
MAX_CAPTURED = 16 * 1024 * 1024  # of each stream; what we ask programs for is far smaller


@value
class Command:
    """A program to start: nothing is inherited by accident, no shell is involved.

    ``env`` is the whole environment. ``title`` is the short form a person would type.
    ``timeout`` is in seconds. ``uid`` is who the program runs as from its first instruction, with
    the group of that number and no other: only root may ask for it.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    timeout: float | None = None
    stdin: bytes | None = None
    title: str = ""
    pass_fds: tuple[int, ...] = ()
    uid: int | None = None

    @property
    def program(self) -> str:
        return Path(self.argv[0]).name

    @property
    def shown(self) -> str:
        return self.title or " ".join(self.argv)


class CommandNotFoundError(SlugkitError):
    """The program is not on the PATH that was passed in."""

    exit_code = ExitCode.UNAVAILABLE
    id = "command-not-found"

    def __init__(self, program: str) -> None:
        self.program = program
        super().__init__(
            f"The program '{program}' was not found",
            resolution=f"Install it, or put the directory that holds '{program}' on PATH.",
        )


class CommandFailedError(SlugkitError):
    """A program ended with a non-zero code; its last lines are kept."""

    id = "command-failed"

    def __init__(self, command: Command, code: int, last_lines: Sequence[str]) -> None:
        self.command = command
        self.code = code
        self.last_lines = tuple(last_lines)
        super().__init__(
            f"'{command.shown}' failed with exit code {code}", details="\n".join(last_lines)
        )


class CommandTimeoutError(SlugkitError):
    """A program ran past its time limit and was killed with everything it had started."""

    exit_code = ExitCode.TIME_LIMIT
    id = "command-timeout"

    def __init__(self, command: Command) -> None:
        self.command = command
        super().__init__(f"'{command.shown}' took longer than {command.timeout:g} seconds")


class CommandOutputError(SlugkitError):
    """A program printed more than anybody asked it for, and was ended."""

    exit_code = ExitCode.DATA
    id = "command-output"

    def __init__(self, command: Command) -> None:
        self.command = command
        super().__init__(
            f"'{command.shown}' printed more than {MAX_CAPTURED >> 20} MiB",
            details="It was ended, and nothing of what it printed was used.",
        )


Runner = Callable[[Command], str]
"""What functions that run programs take, so a test can pass a recorder."""

Process: TypeAlias = "subprocess.Popen[bytes]"
"""A program that was started. A text, since naming it is no reason to import subprocess."""


def spawn(
    command: Command,
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    new_session: bool = True,
) -> Process:
    """Start and return at once. Streams are file descriptors; ``None`` means /dev/null."""
    import subprocess

    null = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=null if stdin is None else stdin,
            stdout=null if stdout is None else stdout,
            stderr=null if stderr is None else stderr,
            pass_fds=command.pass_fds,
            start_new_session=new_session,
            user=command.uid,
            group=command.uid,
            extra_groups=None if command.uid is None else (),
        )
    except FileNotFoundError as err:
        raise CommandNotFoundError(command.program) from err


def _kill_group(process: Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _put_to_death(process: Process) -> None:
    """End it with all that it started, and wait for it; nothing to do where it has ended.

    Not with ``process.wait``. CPython takes a lock around waitpid(2), and where Ctrl-C comes just
    after that the lock stays taken: to wait once more would be to wait for ever.
    """
    if process.poll() is not None:
        return
    _kill_group(process)
    try:
        _, status = os.waitpid(process.pid, 0)
    except ChildProcessError:  # its end was seen, and Ctrl-C came before it was noted
        process.returncode = -signal.SIGKILL
    else:
        process.returncode = os.waitstatus_to_exitcode(status)


def _ignore(_what: object) -> None:
    """The default of those who may be told something."""


def start(
    command: Command, *, joined: bool = False, settle: Callable[[int], None] = _ignore
) -> Process:
    """Start it with pipes for all it says, and for what it reads unless ``stdin`` is None.

    For ``capture`` or ``stream`` to go on with, which write the ``stdin`` of the command they are
    given. ``joined`` has errors among the output, in the order they come. ``settle`` gets the end
    of each pipe that the program is to write to, while it has not begun.
    """
    import subprocess

    stdin = None if command.stdin is None else subprocess.PIPE
    pipes = [os.pipe() for _ in range(1 if joined else 2)]
    try:
        for _, end_inside in pipes:
            settle(end_inside)
        process = spawn(command, stdin=stdin, stdout=pipes[0][1], stderr=pipes[-1][1])
    except BaseException:  # Ctrl-C too: nobody else knows of these
        for ours, _ in pipes:
            os.close(ours)
        raise
    finally:
        for _, end_inside in pipes:
            os.close(end_inside)
    process.stdout = os.fdopen(pipes[0][0], "rb")
    process.stderr = None if joined else os.fdopen(pipes[1][0], "rb")
    return process


def end(process: Process) -> None:
    """Kill it, unless it has ended, and close what we have of its pipes."""
    _put_to_death(process)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def capture(
    command: Command,
    *,
    on_error_line: Callable[[str], None] = _ignore,
    started: Process | None = None,
) -> str:
    """Run to the end and return standard output as text. Raises on any non-zero code.

    ``on_error_line`` gets every line of standard error when the program has ended.
    """
    process = started or start(command)
    out, err = bytearray(), bytearray()

    def keep(where: bytearray, chunk: bytes) -> None:
        where += chunk
        if len(where) > MAX_CAPTURED:
            raise CommandOutputError(command)

    assert process.stdout is not None
    assert process.stderr is not None
    takers = {
        process.stdout.fileno(): partial(keep, out),
        process.stderr.fileno(): partial(keep, err),
    }
    code = _read_to_end(process, command, takers)
    text = out.decode("utf-8", "replace")
    error_lines = err.decode("utf-8", "replace").splitlines()
    for line in error_lines:
        on_error_line(line)
    if code != 0:
        tail = (error_lines or text.splitlines())[-LAST_LINES:]
        raise CommandFailedError(command, code, tail)
    return text


def stream(
    command: Command, on_line: Callable[[str], None], *, started: Process | None = None
) -> None:
    """Run to the end, handing every line of stdout and stderr to ``on_line`` as it comes.

    Of what comes after MAX_STREAMED bytes, only the last lines are. Raises on any non-zero code,
    with the last lines.
    """
    process = started or start(command, joined=True)
    last: deque[str] = deque(maxlen=LAST_LINES)

    def take(line: str) -> None:
        last.append(line)
        on_line(line)

    cutters = {
        pipe.fileno(): LineCutter(take, most=MAX_STREAMED)
        for pipe in (process.stdout, process.stderr)
        if pipe
    }
    code = _read_to_end(process, command, {at: lines.feed for at, lines in cutters.items()})
    for lines in cutters.values():
        lines.finish()
    if code != 0:
        raise CommandFailedError(command, code, tuple(last))


def _read_to_end(
    process: Process,
    command: Command,
    takers: Mapping[int, Callable[[bytes], None]],
) -> int:
    """Read all it says and give its exit code; on any way out nothing of it is left running."""
    import subprocess

    feed = None
    if process.stdin is not None:
        with process.stdin:
            feed = os.dup(process.stdin.fileno()), command.stdin or b""
    deadline = None if command.timeout is None else time.monotonic() + command.timeout
    try:
        in_time = read_streams(
            takers,
            has_ended=lambda: process.poll() is not None,
            timeout=command.timeout,
            feed=feed,
        )
        if not in_time:
            raise CommandTimeoutError(command)
        # It may have closed its output, and live on.
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        return process.wait(left)
    except subprocess.TimeoutExpired as expired:
        raise CommandTimeoutError(command) from expired
    finally:
        end(process)
