"""Extension modules that an editable installation compiles into the app's own directories.

A later build takes the virtualenv from the cache and compiles nothing, so these files are kept
beside it there, and put back where they belong.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildpack.installers.base import Dependencies, Install
from buildpack.installers.hidden_logins import hidden_logins
from buildpack.support.deletion import remove_tree

KEPT = "built-in-place"
"""Directory beside a virtualenv in the cache."""
UP = "__up__"
"""Stands for ".." there: an app in a subdirectory may use packages beside it."""

LEFTOVERS = ("*.egg-info", "*/*.egg-info", "build")
"""What setuptools writes beside the source it builds, and nobody needs afterwards."""


@contextmanager
def building_in_place(dependencies: Dependencies, install: Install) -> Iterator[Install]:
    """Keep what is compiled meanwhile in the app's directories, remove what else is left there.

    Gives the installation that is to be run there.
    """
    places = [path for path in dependencies.local_paths if (install.app_dir / path).is_dir()]
    leftovers = _leftovers(install.app_dir, places)
    compiled = _compiled(install.app_dir, places)
    with hidden_logins(install, dependencies.inputs) as ready:
        yield ready
    for path in _leftovers(install.app_dir, places) - leftovers:
        remove_tree(path)
    for name in sorted(_compiled(install.app_dir, places) - compiled):
        _copy(install.app_dir / name, install.venv.root.parent / KEPT / _inside(name))


def restore_built_in_place(home: Path, app_dir: Path) -> None:
    """Put compiled modules back; ``home`` is the virtualenv's directory in the cache."""
    kept = home / KEPT
    if not kept.is_dir():
        return
    for path in sorted(kept.rglob("*")):
        if path.is_file():
            target = app_dir / path.relative_to(kept).as_posix().replace(UP, "..")
            if not target.exists():
                _copy(path, target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # No link: a hook of the app may write into what is its own directory.
    import shutil  # wanted by few builds

    shutil.copy(source, target)


def _inside(name: str) -> str:
    return "/".join(UP if part == ".." else part for part in name.split("/"))


def _leftovers(app_dir: Path, places: list[str]) -> set[Path]:
    return {
        path
        for place in places
        for pattern in LEFTOVERS
        for path in (app_dir / place).glob(pattern)
        if path.is_dir()
    }


def _compiled(app_dir: Path, places: list[str]) -> set[str]:
    """Extension modules below ``places``, by their names from the app directory."""
    found = set()
    for place in places:
        for directory, names, files in os.walk(app_dir / place):
            names[:] = [name for name in names if name not in {".heroku", ".git", "build"}]
            below = os.path.relpath(directory, app_dir)
            found |= {posixpath.normpath(f"{below}/{x}") for x in files if x.endswith(".so")}
    return found
