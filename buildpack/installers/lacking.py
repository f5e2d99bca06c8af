"""What a lock file leaves out that its packages need: it is installed as it stands.

The tools that make locks leave nothing out. Who edits one, or merges two, may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from buildpack.installers.base import Dependencies
from buildpack.package_manager import PackageManager
from buildpack.support.command import (
    Command,
    CommandFailedError,
    CommandTimeoutError,
    capture,
)
from buildpack.support.errors import printable
from buildpack.support.output import Output
from buildpack.tools import ToolBox

AS_THEY_STAND = frozenset(
    {PackageManager.PDM, PackageManager.PIPENV, PackageManager.POETRY, PackageManager.PYLOCK}
)
"""Everywhere else uv resolves, or reads a uv.lock, which it refuses if something is left out."""
SAID = re.compile(r"The package `(?P<who>[^`]+)` requires `(?P<what>[^`]+)`, but (?P<why>.+)")
SHOWN = 10
TIME_LIMIT = 60.0


def warn_of_lacking(dependencies: Dependencies, venv: Path, tools: ToolBox, out: Output) -> None:
    """Say of a virtualenv that was just filled from a lock what its packages need beside it."""
    if dependencies.manager in AS_THEY_STAND and (found := _check(venv, tools)):
        out.warning(_warning(dependencies.source, found))


def _check(venv: Path, tools: ToolBox) -> Sequence[str]:
    """Who needs what, as ``pip check`` tells it."""
    lines: list[str] = []
    python = str(venv / "bin" / "python")
    argv = (str(tools.program("uv")), "pip", "check", "--no-config", "--color", "never")
    env = {"UV_NO_CACHE": "1"}
    command = Command(argv=(*argv, "--python", python), cwd=venv, env=env, timeout=TIME_LIMIT)
    try:
        capture(command, on_error_line=lines.append)
    except CommandFailedError:
        # Where uv could not look there is no such line. The packages are there all the same.
        found = (SAID.fullmatch(line.strip()) for line in lines)
        return [f"{m['who']} requires {m['what']}, but {m['why']}" for m in found if m]
    except CommandTimeoutError:
        return ()  # A slow disk is no reason to end a build that has all it needs.
    return ()


def _warning(lock: str, found: Sequence[str]) -> str:
    listing = "".join(f"  {printable(text)}\n" for text in found[:SHOWN])
    more = f"  and {len(found) - SHOWN} more\n" if len(found) > SHOWN else ""
    return (
        f"Packages in {lock} do not fit together\n\n{listing}{more}\n"
        "They are installed as the lock file says. If it was edited or merged by hand, let\n"
        "the tool that made it write it again. What you override on purpose may stay."
    )
