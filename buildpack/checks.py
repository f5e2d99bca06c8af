"""What must not be in an app's source: directories we make ourselves.

The stack is not judged. Heroku refuses names it has no Python for; ours comes as a build for any
glibc, or from the machine itself, and a Python that does not run there is its own error.
"""

from __future__ import annotations

import os
from pathlib import Path

from buildpack.app import App
from buildpack.support.errors import SlugkitError, printable

RESERVED = (".heroku/python", ".heroku/venv")
WRITTEN_INTO = (".heroku", ".profile.d")

PROFILE = ".profile.d/python.sh"
OUR_MARK = b"# Written by the Python buildpack."
"""How the profile script begins that a finished build leaves."""


class DuplicateBuildpackError(SlugkitError):
    """This buildpack has been here already: it is listed twice, or the directory is a built app."""

    id = "checks::duplicate-python-buildpack"
    is_of_root = True

    def __init__(self) -> None:
        super().__init__(
            "The Python buildpack has already built this app",
            details=f"Found the Python it installs ({', '.join(RESERVED)})\n"
            f"and the {PROFILE} that it writes.",
            resolution="If your app has a list of buildpacks, keep the Python buildpack in it\n"
            "once. If this directory is what an earlier build left, build from the app's\n"
            f"source instead, or first run:\n\n    rm -r {' '.join(RESERVED)}",
        )


class ReservedDirectoryError(SlugkitError):
    """The app brings a Python of its own where ours goes."""

    id = "checks::existing-python-dir"
    is_of_root = True

    def __init__(self, name: str, listing: tuple[str, ...]) -> None:
        self.name, self.listing = name, listing
        shown = "\n".join(f"  {printable(entry)}" for entry in listing)
        super().__init__(
            f"Your app already has {name}",
            details=f"That is where Python is installed. Your app holds:\n\n{shown}",
            resolution=f"Remove it from your app (and from bin/pre_compile, if that makes\n"
            f"it):\n\n    git rm -r --cached {name}",
        )


class VenvInSourceError(SlugkitError):
    """The app brings the virtualenv of somebody's computer."""

    id = "checks::existing-venv-dir"

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        shown = "\n".join(f"  {printable(name)}/" for name in names)
        words = " ".join(printable(name) for name in names)
        super().__init__(
            "Your app has a virtual environment in it",
            details=f"Found a pyvenv.cfg in:\n\n{shown}\n\nA virtual environment works only on the"
            " computer it was made on.",
            resolution=f"Remove it from git, and add it to .gitignore:\n\n"
            f"    git rm -r --cached {words}\n"
            + "\n".join(f"    echo '{printable(name)}/' >> .gitignore" for name in names),
        )


class LinkedDirectoryError(SlugkitError):
    """What we write into is a link, or no directory: it would land anywhere."""

    id = "checks::reserved-name"
    is_of_root = True

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"Your app has a {name} that is not a directory",
            details=f"It is a link or a file, and the build writes into a directory {name}.",
            resolution=f"Remove it from your app:\n\n    git rm --cached {name}",
        )


def check_reserved_directories(app: App) -> None:
    """Raise if the source has what the build is about to make, at its root."""
    source = App(root=app.source or app.root)
    for name in WRITTEN_INTO:
        path = source.root / name
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
            raise LinkedDirectoryError(name)
    found = [name for name in RESERVED if os.path.lexists(source.root / name)]
    if len(found) == len(RESERVED) and _is_our_profile(source):
        raise DuplicateBuildpackError
    for name in found:
        raise ReservedDirectoryError(name, (name, *_below(source.root / name)))


def _below(path: Path) -> list[str]:
    """Names two levels down, as far as a message should go."""
    if not path.is_dir():
        return []
    entries = sorted(f"{path.name}/{entry}" for entry in os.listdir(path))  # noqa: PTH208
    return [f".heroku/{entry}" for entry in entries[:20]]


def _is_our_profile(app: App) -> bool:
    return app.is_file(PROFILE) and app.read_bytes(PROFILE).startswith(OUR_MARK)


def check_no_venv(app: App) -> None:
    """Raise if any directory of the root is a virtualenv."""
    found = tuple(
        name for name in sorted(app.names()) if os.path.lexists(app.root / name / "pyvenv.cfg")
    )
    if found:
        raise VenvInSourceError(found)
