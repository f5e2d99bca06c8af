"""What a phase says when it cannot go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from buildpack.main import refusal_of
from buildpack.support.command import Command, CommandFailedError

MAIN = Path(__file__).parents[3] / "buildpack" / "__main__.py"
# What Ctrl-C does while modules are imported.
INTERRUPTED = """\
import runpy, sys
class Interrupted:
    def find_spec(name, *_):
        if name == "buildpack.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted)
sys.argv = ["buildpack", "compile", "/"]
runpy.run_path(MAIN, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("OSError: [Errno 28] No space left on device", "no space left on device"),
        ("strip: python[.rodata]: Disk quota exceeded", "disk quota exceeded"),
    ],
)
def test_a_disk_that_is_full_for_a_program_of_ours(line: str, reason: str) -> None:
    command = Command(argv=("strip",), cwd=Path("/"), env={})
    lines = ("Traceback (most recent call last):", '  File "x.py", line 1', line, "another")

    refused = refusal_of(CommandFailedError(command, 1, lines))

    assert refused is not None
    assert refused.text() == (
        "The system refused something the build needs\n\n"
        f"It says: {reason}.\n\n"
        "The build, cache and layers directories must be directories that\n"
        "the build may write to, with room left."
    )


def test_other_failures_of_programs_are_told_as_they_are() -> None:
    command = Command(argv=("strip",), cwd=Path("/"), env={})
    assert refusal_of(CommandFailedError(command, 1, ("no such file",))) is None


def test_ctrl_c_before_there_is_anything_to_end_shows_no_traceback() -> None:
    script = INTERRUPTED.replace("MAIN", repr(str(MAIN)))
    argv = (sys.executable, "-I", "-S", "-B", "-c", script)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
