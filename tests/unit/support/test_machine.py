"""What a machine has no more of is told as such, whatever Python calls it."""

from __future__ import annotations

import errno

import pytest

from buildpack.support.machine import (
    MACHINE_ERRORS,
    MachineError,
    refused_by_machine,
    refused_process,
)

THREADS = "may have no more processes and threads. Allow more\n(ulimit -u, pids.max)"
MEMORY = "may have no more memory. Allow more (ulimit -v, memory.max)"


@pytest.mark.parametrize(
    ("err", "code", "words"),
    [
        (RuntimeError("can't start new thread"), 75, THREADS),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), 75, THREADS),
        (MemoryError(), 75, MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 75, MEMORY),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 73, "Make room or lift the limit"),
    ],
)
def test_what_is_refused_is_told_with_the_limit(err: Exception, code: int, words: str) -> None:
    refusal = refused_by_machine(err)
    assert refusal is not None
    assert MACHINE_ERRORS[refusal.errno or 0] == code
    text = MachineError(refusal).text()
    assert text.startswith("The build could not go on: ")
    assert words in text


@pytest.mark.parametrize(
    "err",
    [RuntimeError("generator raised StopIteration"), OSError(errno.ENOENT, "x"), ValueError()],
)
def test_a_mistake_of_ours_stays_one(err: Exception) -> None:
    assert refused_by_machine(err) is None


@pytest.mark.parametrize(
    "said",
    ["unshare: fork failed: Resource temporarily unavailable\n", "slugkit-net: 0: Cannot fork\n"],
)
def test_a_program_that_was_refused_a_process_tells_so(said: str) -> None:
    found = refused_process(said)
    assert found is not None
    assert MACHINE_ERRORS[found.errno or 0] == 75
    assert refused_process("unshare: Operation not permitted") is None
