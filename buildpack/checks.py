"""What must not be in an app's source: directories we make ourselves."""

from __future__ import annotations

import os

from buildpack.app import App
from buildpack.support.errors import SlugkitError, printable

RESERVED = (".heroku/python", ".heroku/venv")


class ReservedDirectoryError(SlugkitError):
    """The app brings a Python of its own where ours goes."""

    id = "checks::existing-python-dir"

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
            f"    git rm -r --cached {words}\n    echo '{words.split()[0]}/' >> .gitignore",
        )


def check_reserved_directories(app: App) -> None:
    """Raise if the app has what the build is about to make."""
    for name in RESERVED:
        path = app.root / name
        if path.is_symlink() or path.exists():
            below = sorted(os.listdir(path))[:20] if path.is_dir() else []  # noqa: PTH208
            raise ReservedDirectoryError(name, (name, *(f"{name}/{entry}" for entry in below)))


def check_no_venv(app: App) -> None:
    """Raise if any directory of the root is a virtualenv."""
    found = tuple(
        name for name in sorted(app.names()) if os.path.lexists(app.root / name / "pyvenv.cfg")
    )
    if found:
        raise VenvInSourceError(found)
