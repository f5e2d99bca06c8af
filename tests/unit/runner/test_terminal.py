"""A person's terminal, lent and given back."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import termios

import pytest

from runner.terminal import copy_size, hang_up, has_shell, raw_mode
from tests.waiting import until


def test_it_is_given_back_as_it_was() -> None:
    window, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    with raw_mode(terminal):
        assert termios.tcgetattr(terminal) != before
    assert termios.tcgetattr(terminal) == before
    os.close(window)
    os.close(terminal)


def test_a_hang_up_reaches_the_shell_and_what_is_in_the_foreground() -> None:
    window, terminal = os.openpty()
    # In small steps: bash looks for what it has trapped between two of them.
    job = "trap 'echo job hung up; exit' HUP; echo here; for _ in {1..600}; do sleep 0.05; done"
    shell = f"set -m; trap 'echo shell hung up' HUP; bash -c {shlex.quote(job)}"
    with subprocess.Popen(
        ("setsid", "--ctty", "bash", "-c", shell), stdin=terminal, stdout=terminal, stderr=terminal
    ):
        os.close(terminal)
        shown = read_until(window, b"here")
        hang_up(window)
        shown += read_until(window, b"shell hung up")
        assert b"job hung up" in shown
    os.close(window)


@pytest.mark.parametrize(
    ("argv", "is_shell"),
    [
        (("bash", "--norc", "-i"), True),
        (("dash", "-i"), True),
        (("bash", "-c", "printf '$ '; sleep 60"), False),
        (("python3", "-c", "input('$ ')"), False),
    ],
)
def test_a_shell_that_is_typed_into_is_told_from_other_programs(
    argv: tuple[str, ...], is_shell: bool
) -> None:
    window, terminal = os.openpty()
    with subprocess.Popen(
        ("setsid", "--ctty", *argv),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={"PATH": os.environ["PATH"], "PS1": "$ "},
    ) as process:
        os.close(terminal)
        read_until(window, b"$ ")
        found = has_shell(window)

        def is_hung_up() -> bool:
            hang_up(window)  # again: bash misses one that comes just before it waits for a key
            return process.poll() is not None

        until(is_hung_up)
        assert found is is_shell
        assert process.returncode != 0
    assert not has_shell(window)
    os.close(window)


def test_a_hang_up_with_nobody_there_reaches_nobody() -> None:
    window, terminal = os.openpty()
    hang_up(window)  # not us
    os.close(terminal)
    hang_up(window)
    os.close(window)


def read_until(descriptor: int, word: bytes) -> bytes:
    shown = b""
    while word not in shown:
        assert select.select([descriptor], [], [], 30)[0], shown
        shown += os.read(descriptor, 1000)
    return shown


def test_one_that_is_closed_meanwhile_is_no_error() -> None:
    window, terminal = os.openpty()
    other, copied_to = os.openpty()
    with raw_mode(terminal):
        os.close(window)
        with pytest.raises(termios.error):
            termios.tcgetattr(terminal)
        copy_size(terminal, copied_to)
    for descriptor in (terminal, other, copied_to):
        os.close(descriptor)
