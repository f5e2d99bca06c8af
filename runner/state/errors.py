"""What can be wrong with the state file, and with what it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable, printable_path


class StateFileError(SlugkitError):
    """The file that remembers apps cannot be used."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "state-file"
    remedy = "Make room"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"slug-run cannot use {printable_path(path)}, which remembers your apps",
            details=found,
            resolution="Nothing was changed. Make room, or allow writing there; SLUGKIT_HOME\n"
            "chooses another directory.",
        )


class StateDamagedError(SlugkitError):
    """The file is no database, or a broken one."""

    exit_code = ExitCode.DATA
    id = "state-damaged"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"{printable_path(path)}, which remembers your apps, is damaged",
            details=f"SQLite says: {found}.",
            resolution="Nothing was changed. Restore it from a backup, or move it aside and\n"
            "deploy your apps again.",
        )


class StateBusyError(SlugkitError):
    """Somebody else holds the file for longer than anybody should."""

    exit_code = ExitCode.TRY_AGAIN
    id = "state-busy"
    remedy = "Wait until it is free"

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self.found = f"{printable_path(path)} was in use for {seconds:g} seconds."
        super().__init__(
            "Another slug-run is changing the same apps",
            details=self.found,
            resolution="Nothing was changed. Try again when it has ended.",
        )


NOT_WRITTEN = (StateFileError, StateBusyError)
"""What may keep a change from being written that could be made a moment ago."""


class StateTooNewError(SlugkitError):
    """The file was made by a Slugkit that knows more than this one."""

    exit_code = ExitCode.DATA
    id = "state-too-new"

    def __init__(self, path: Path, found: int, known: int) -> None:
        self.path, self.found, self.known = path, found, known
        super().__init__(
            f"{printable_path(path)} was made by a newer Slugkit",
            details=f"Its schema is {found}; this one knows up to {known}.",
            resolution="Install the newer Slugkit again: pip install --upgrade slugkit",
        )


class NoSuchAppError(UsageError):
    """No app has that name."""

    id = "no-such-app"

    def __init__(self, name: str, names: Sequence[str], *, origin: str = "") -> None:
        """``origin`` says who names it, where that is not the command line."""
        self.name, self.names, self.origin = name, tuple(names), origin
        nearest = difflib.get_close_matches(name.lower(), names, n=1)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        there = f"Apps here: {', '.join(names)}." if names else "There are no apps here yet."
        super().__init__(
            f"There is no app called '{printable(name)}'",
            details=f"{origin}{hint}{there}",
            resolution=f"Make it: slug-run apps create {printable(name)}"
            if names
            else "Make it, or have its first deploy make it:\n\n"
            f"    slug-run apps create {printable(name)}\n"
            f"    slug-run deploy app.slug --app {printable(name)} --create",
        )


class AppExistsError(UsageError):
    """The name is taken."""

    id = "app-exists"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"There is an app called '{printable(name)}' already",
            resolution="Choose another name. slug-run apps lists those there are.",
        )


class NoSuchReleaseError(UsageError):
    """The app has no such release."""

    id = "no-such-release"

    def __init__(self, app: str, asked: str, newest: int) -> None:
        self.app, self.asked, self.newest = app, asked, newest
        super().__init__(
            f"{app} has no release {printable(asked)}",
            details=f"Its releases are v1 to v{newest}." if newest else "It has none yet.",
            resolution=f"slug-run releases --app {app} lists them.",
        )
