"""Commands in a Procfile that begin with a tool of the build, which containers do not have.

Heroku's buildpack leaves Pipenv in the slug, so `pipenv run` works there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from buildpack.support.errors import printable

LARGEST_PROCFILE = 64 * 1024
TOOL = re.compile(
    r"(?<![\w/.-])(?P<tool>pipenv|poetry|pdm|uv|hatch) run +(?:-\S+ +)*(?=(?P<program>[\w./-]+))"
)
"""`uv run --frozen gunicorn`, up to the program that is meant."""


def absent_tools_warning(build_dir: Path, procfile: Path) -> str:
    """What to say of a Procfile that starts programs with such a tool; "" where none does."""
    bin_dir = build_dir / ".heroku" / "venv" / "bin"
    lines = [line for line in _lines(procfile) if _lacks_a_tool(line, bin_dir)]
    if not lines:
        return ""
    matches = [match for line in lines for match in TOOL.finditer(line)]
    names = " and ".join(sorted({match["tool"] for match in matches}))
    # Not so the name of a script in pyproject.toml or Pipfile, or what belongs to an option.
    are_programs = all(os.path.lexists(bin_dir / match["program"]) for match in matches)
    instead = _listing(TOOL.sub("", line) for line in lines)
    return (
        f"Your Procfile starts programs with {names}, which the slug does not have\n\n"
        f"{_listing(lines)}\n\n"
        "It is not needed there: the programs of your packages are on PATH. Write"
        + (f":\n\n{instead}" if are_programs else "\nthe command that it would run.")
    )


def _listing(lines: Iterable[str]) -> str:
    return "\n".join(f"    {printable(line, limit=200)}" for line in lines)


def _lacks_a_tool(line: str, bin_dir: Path) -> bool:
    """Whether a line that is no comment uses one which no package of the app brings."""
    tools = {match["tool"] for match in TOOL.finditer(line)}
    return not line.lstrip().startswith("#") and any(
        not os.path.lexists(bin_dir / tool) for tool in tools
    )


def _lines(procfile: Path) -> list[str]:
    """Those of a Procfile that can be read; whoever starts the app says what is wrong with it."""
    if not procfile.is_file() or procfile.stat().st_size > LARGEST_PROCFILE:
        return []
    return procfile.read_bytes().decode("utf-8", "replace").splitlines()
