"""Whether a buildpack's programs can be started, and all that keeps them from it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from buildpack.support.errors import printable
from buildpack.support.files import find_program
from slugc.buildpacks.errors import BuildpackBrokenError

PROGRAMS = ("detect", "compile")
OPTIONAL_PROGRAMS = ("release", "report")


def check_programs(root: Path, name: str, *, path: str | None = None) -> None:
    """Raise with all that keeps the buildpack's programs from being started.

    ``path`` is the PATH their interpreters are looked for on, where the sandbox shows the programs
    of this machine; None when it does not.
    """
    problems = [
        problem
        for program in programs_of(root)
        if (problem := program_problem(root, program, path))
    ]
    if problems:
        raise BuildpackBrokenError(name, problems)


def programs_of(root: Path) -> tuple[str, ...]:
    """Those a buildpack must have, and those of the others that it has."""
    optional = (name for name in OPTIONAL_PROGRAMS if os.path.lexists(root / "bin" / name))
    return (*PROGRAMS, *optional)


def program_problem(root: Path, program: str, path: str | None) -> str:
    """What keeps ``bin/PROGRAM`` from being started; empty when nothing does."""
    file = root / "bin" / program
    try:
        status = file.stat()
    except OSError:
        return f"bin/{program} is missing"
    if not stat.S_ISREG(status.st_mode):
        return f"bin/{program} is not a file"
    if not status.st_mode & 0o111:
        return f"bin/{program} is not executable: chmod +x bin/{program}"
    with file.open("rb") as content:
        first = content.readline(4096)
    if first.startswith(b"#!") and first.endswith(b"\r\n"):
        # The kernel looks for an interpreter whose name ends in a carriage return.
        shown = printable(first.rstrip(b"\n"))
        return f"bin/{program} has Windows line ends ({shown}): dos2unix bin/{program}"
    if not first.startswith((b"#!", b"\x7fELF")):
        return f"bin/{program} does not begin with '#!' and an interpreter"
    missing = "" if path is None else _missing_interpreter(first, path)
    return f"bin/{program} asks for '{missing}', which is not here" if missing else ""


def _missing_interpreter(first: bytes, path: str) -> str:
    """The interpreter a first line names, if this machine lacks it."""
    if not first.startswith(b"#!"):
        return ""
    words = first[2:].decode("utf-8", "surrogateescape").split()
    if not words:
        return "#!"
    if not Path(words[0]).is_file():
        return printable(words[0])
    if Path(words[0]).name != "env":
        return ""
    named = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
    found = not named or "/" in named or find_program(named, path)
    return "" if found else printable(named)
