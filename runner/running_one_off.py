"""A one-off that a program runs: its output kept, or pipes to it while it runs."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self

from buildpack.support.errors import SlugkitError, UsageError
from buildpack.support.values import value
from runner.background import BackgroundRun
from runner.carrying import carry_one_off
from runner.one_off import OwnStreams
from runner.release import Release
from runner.requests import OneOffRequest
from runner.signals import StopRequest

Stdin = bytes | BinaryIO | None


@value
class OneOffResult:
    """How a command ended, and what it wrote."""

    exit_code: int
    """its own; 128+n after signal n, 124 after the time limit"""
    stdout: bytes
    stderr: bytes


class StdinError(UsageError):
    """What was given as standard input is neither bytes nor an open file of this machine."""

    id = "one-off-stdin"

    def __init__(self, given: object) -> None:
        self.given = type(given).__name__
        super().__init__(
            f"A one-off cannot read from {self.given}",
            resolution="Give bytes, or a file that open(path, 'rb') made:\n\n"
            "    runner.run_one_off(slug, 'cat', stdin=b'text')",
        )


def run_to_the_end(
    request: OneOffRequest, release: Release, stdin: Stdin, notify: Callable[[str], None]
) -> OneOffResult:
    """Run the command in this thread; its output, of any size, waits in files without a name."""
    stop = StopRequest()
    try:
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            source = _source(stdin, given)
            own = OwnStreams(stdin=source, stdout=out.fileno(), stderr=err.fileno())
            code = _carry(request, release, own, stop, notify)
            return OneOffResult(exit_code=int(code), stdout=_content(out), stderr=_content(err))
    finally:
        stop.close()


class RunningOneOff:
    """A command that runs until it ends or the block is left. Made by ``runner.start_one_off``.

    ``stdin``, ``stdout`` and ``stderr`` are pipes to it, of bytes and without buffers. Read both
    outputs, in threads or one after the other, or the command waits for you once one is full;
    close ``stdin`` where the command reads to its end.
    """

    def __init__(
        self, request: OneOffRequest, release: Release, notify: Callable[[str], None]
    ) -> None:
        stdin, stdin_ours = os.pipe2(os.O_CLOEXEC)
        stdout_ours, stdout = os.pipe2(os.O_CLOEXEC)
        stderr_ours, stderr = os.pipe2(os.O_CLOEXEC)
        self.stdin: io.FileIO = io.FileIO(stdin_ours, "wb")
        self.stdout: io.FileIO = io.FileIO(stdout_ours, "rb")
        self.stderr: io.FileIO = io.FileIO(stderr_ours, "rb")
        own = OwnStreams(stdin=stdin, stdout=stdout, stderr=stderr)

        def carry(stop: StopRequest) -> int:
            try:
                return _carry(request, release, own, stop, notify)
            finally:
                for descriptor in (stdin, stdout, stderr):
                    os.close(descriptor)

        self._run = BackgroundRun(f"slug-run {release.app} one-off", carry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except SlugkitError:
            if error is None:  # what ended the block matters more
                raise
        finally:
            for pipe in (self.stdin, self.stdout, self.stderr):
                pipe.close()

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code; None if it still runs after ``timeout`` seconds. Raises what kept it
        from starting."""
        return self._run.wait(timeout)

    def stop(self) -> int:
        """SIGTERM, SIGKILL after the stop timeout; the exit code: its own if it had ended."""
        return self._run.stop()


def _carry(
    request: OneOffRequest,
    release: Release,
    own: OwnStreams,
    stop: StopRequest,
    notify: Callable[[str], None],
) -> int:
    return carry_one_off(
        request, release, own, stop, announce=lambda _: None, say=notify, notify=notify
    )


def _source(stdin: Stdin, given: BinaryIO) -> int | None:
    """The descriptor to read from; bytes are written to ``given`` first."""
    if stdin is None:
        return None
    if isinstance(stdin, bytes | bytearray | memoryview):
        given.write(stdin)
        given.seek(0)
        return given.fileno()
    try:
        return stdin.fileno()
    except (AttributeError, OSError) as err:  # text, or a file in memory
        raise StdinError(stdin) from err


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
