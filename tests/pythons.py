"""Which Pythons this machine has: on the PATH, or installed by pyenv.

Tests of several Pythons run with those that are here; pytest's first lines name the others.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

WANTED = ("3.9", "3.10", "3.11", "3.12", "3.13")


def find_python(series: str) -> Path | None:
    """An interpreter of this minor version that is no shim; None where there is none."""
    path = os.pathsep.join((f"{sys.base_prefix}/bin", os.environ.get("PATH", ""), "/usr/bin"))
    on_path = shutil.which(f"python{series}", path=path)
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    in_pyenv = versions.glob(f"{series}.*/bin/python{series}") if versions.is_dir() else ()
    found = (*([Path(on_path)] if on_path else []), *sorted(in_pyenv))
    return next((each.resolve() for each in found if "shims" not in each.parts), None)


@cache
def pythons_here() -> Mapping[str, Path]:
    """The wanted minor versions that this machine has, oldest first."""
    return {series: found for series in WANTED if (found := find_python(series))}


def here(series: Iterable[str]) -> list[str]:
    """Those of ``series`` that this machine has: what a test is parametrized with."""
    return [each for each in series if each in pythons_here()]


def python_of(series: str) -> Path:
    """The interpreter of a minor version that ``here`` gave."""
    return pythons_here()[series]


def newest() -> str:
    """The newest of them: for what runs on any."""
    return list(pythons_here())[-1]


def header() -> str:
    """What pytest says of it first."""
    missing = [series for series in WANTED if series not in pythons_here()]
    left_out = f"; tests with {', '.join(missing)} are left out" if missing else ""
    return f"Pythons here: {', '.join(pythons_here())}{left_out}"
