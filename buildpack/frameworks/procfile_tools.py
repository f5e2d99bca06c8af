"""Commands in a Procfile that begin with a tool of the build, which containers do not have.

Heroku's buildpack leaves Pipenv in the slug, so `pipenv run` works there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from buildpack.support.errors import printable

LARGEST_PROCFILE = 64 * 1024
TOOL = re.compile(r"(?<![\w/.-])(?P<tool>pipenv|poetry|pdm|uv|hatch) run +(?:-\S+ +)*(?=[\w./])")
"""`uv run --frozen gunicorn`, up to the program that is meant."""


def absent_tools_warning(build_dir: Path, procfile: Path) -> str:
    """What to say of a Procfile that starts programs with such a tool; "" where none does."""
    found = dict(_commands(procfile, build_dir / ".heroku" / "venv" / "bin"))
    if not found:
        return ""
    tools = sorted({match["tool"] for line in found for match in TOOL.finditer(line)})
    names = " and ".join(tools)
    listing = "\n".join(f"    {printable(line, limit=200)}" for line in found)
    instead = "\n".join(f"    {printable(line, limit=200)}" for line in found.values())
    return (
        f"Your Procfile starts programs with {names}, which the slug does not have\n\n{listing}\n\n"
        "It is not needed there: the programs of your packages are on PATH. Write:\n\n"
        f"{instead}"
    )


def _commands(procfile: Path, bin_dir: Path) -> Iterator[tuple[str, str]]:
    """Lines that use a tool which no package of the app brings, and what they are without it."""
    for line in _lines(procfile):
        tools = {match["tool"] for match in TOOL.finditer(line)}
        if any(not os.path.lexists(bin_dir / tool) for tool in tools):
            yield line, TOOL.sub("", line)


def _lines(procfile: Path) -> list[str]:
    """Those of a Procfile that can be read; whoever starts the app says what is wrong with it."""
    if not procfile.is_file() or procfile.stat().st_size > LARGEST_PROCFILE:
        return []
    return procfile.read_bytes().decode("utf-8", "replace").splitlines()
