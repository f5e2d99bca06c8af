"""Interpreters on the build machine: found by name, then asked what they are."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, capture
from buildpack.support.errors import SlugkitError
from buildpack.support.values import value
from buildpack.versions.python_version import PythonVersion, RequestedPythonVersion

PROBE = """\
import json, platform, sys, sysconfig
paths = sysconfig.get_paths("posix_prefix")
v = sysconfig.get_config_var
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": list(sys.version_info[:3]),
    "level": sys.version_info[3],
    "executable": sys.executable,
    "is_venv": sys.prefix != sys.base_prefix,
    "prefix": sys.base_prefix,
    "stdlib": paths["stdlib"],
    "include": v("INCLUDEPY") or "",
    "platform_headers": sysconfig.get_config_h_filename(),
    "sysconfigdata": sysconfig._get_sysconfigdata_name(),
    "special": bool(v("Py_GIL_DISABLED") or v("Py_DEBUG") or ""),
}))
"""


@value
class Interpreter:
    """A Python as it says it is; ``label`` is where it was found, for the log."""

    executable: Path
    version: PythonVersion
    prefix: Path
    stdlib: Path
    include: Path
    config_header: Path
    sysconfigdata: str
    label: str

    @property
    def stamp(self) -> str:
        """Changes when the interpreter is upgraded in place."""
        found = self.executable.stat()
        return f"{self.executable}:{found.st_size}:{found.st_mtime_ns}"


def probe(executable: Path, label: str) -> Interpreter | None:
    """Ask ``executable`` what it is; None unless it is a usable CPython of its own."""
    command = Command(
        argv=(str(executable), "-I", "-S", "-c", PROBE),
        cwd=Path("/"),
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        timeout=10,
    )
    try:
        facts = json.loads(capture(command))
    except (CommandFailedError, CommandTimeoutError, SlugkitError, OSError, ValueError):
        return None  # Broken, too old to answer, or no Python at all: not a candidate.
    usable = facts["implementation"] == "cpython" and facts["level"] == "final"
    if not usable or facts["is_venv"] or facts["special"]:
        return None
    major, minor, patch = facts["version"]
    return Interpreter(
        executable=Path(os.path.realpath(facts["executable"])),
        version=PythonVersion(major=major, minor=minor, patch=patch),
        prefix=Path(facts["prefix"]),
        stdlib=Path(facts["stdlib"]),
        include=Path(facts["include"]),
        config_header=Path(facts["platform_headers"]),
        sysconfigdata=facts["sysconfigdata"],
        label=label,
    )


def find_interpreters(
    series: str, env: Mapping[str, str], *, requested: RequestedPythonVersion | None
) -> Iterator[Interpreter]:
    """Every interpreter of one series on this machine, the newest of pyenv's first."""
    seen: set[Path] = set()
    for executable, label in _candidates(series, env):
        real = Path(os.path.realpath(executable))
        if real in seen or not os.access(real, os.X_OK) or _is_script(real):
            continue
        seen.add(real)
        found = probe(executable, label)
        if (
            found
            and found.version.series == series
            and (not requested or requested.accepts(found.version))
        ):
            yield found


def _candidates(series: str, env: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for home in _pyenv_homes(series, env):
        yield home / "bin" / f"python{series}", f"pyenv's {home.name}"
    for directory in ("/usr/bin", "/usr/local/bin"):
        yield Path(directory, f"python{series}"), f"{directory}/python{series}"
    for name in env.get("PATH", "").split(os.pathsep):
        directory_path = Path(name)
        if directory_path.is_absolute() and not _is_venv(directory_path):
            yield directory_path / f"python{series}", f"python{series} on PATH"


def _pyenv_homes(series: str, env: Mapping[str, str]) -> list[Path]:
    root = env.get("PYENV_ROOT") or (f"{env['HOME']}/.pyenv" if env.get("HOME") else "")
    versions = Path(root, "versions") if root else Path("/nonexistent")
    pattern = re.compile(re.escape(series) + r"\.(\d+)")
    try:
        names = os.listdir(versions)  # noqa: PTH208 - names, not paths
    except OSError:
        return []  # No pyenv here, or not ours to read.
    patches = {int(m[1]): name for name in names if (m := pattern.fullmatch(name))}
    return [versions / patches[patch] for patch in sorted(patches, reverse=True)]


def _is_venv(bin_dir: Path) -> bool:
    return (bin_dir.parent / "pyvenv.cfg").exists()


def _is_script(program: Path) -> bool:
    """A shim (pyenv, asdf) is a shell script that decides by the current directory."""
    try:
        with program.open("rb") as file:
            return file.read(4) != b"\x7fELF"
    except OSError:
        return True
