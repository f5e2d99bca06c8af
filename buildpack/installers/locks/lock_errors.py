"""What can be wrong with a lock file of Pipenv, Poetry or PDM: said before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from buildpack.installers.locks.lock_changes import RequirementSyntaxError
from buildpack.installers.locks.project_errors import InvalidProjectError, LockOutOfSyncError
from buildpack.support.errors import SlugkitError, printable


class UnexplainedLockError(LockOutOfSyncError):
    """A lock file whose hash does not fit, though its versions do."""

    def __init__(self, lock: str, source: str, command: str) -> None:
        super().__init__(lock, source, (), command)
        self.details = (
            f"{source} was changed after {lock} was written. Every package it\n"
            "asks for is locked in a version that fits, so what changed is something\n"
            "else: a wider or narrower version, an extra, a marker or a source."
        )


class InexactLockError(SlugkitError):
    """The lock file leaves open what its own tool would install; we do not guess."""

    id = "install::lock-not-exact"

    def __init__(self, lock: str, findings: Sequence[str], command: str) -> None:
        self.lock, self.findings, self.command = lock, tuple(findings), command
        super().__init__(
            f"{lock} does not say exactly what to install",
            details="\n".join(findings),
            resolution=f"Write it again with a current version of the tool:\n\n    {command}\n"
            f"    git add {lock}",
        )


class LockedPythonVersionError(SlugkitError):
    """A lock file asks for a Python version that is none."""

    id = "pipfile-lock::invalid-version"

    def __init__(self, lock: str, field: str, value: str, command: str) -> None:
        self.lock, self.field, self.value = lock, field, value
        example = "3.13.1" if field == "python_full_version" else "3.13"
        super().__init__(
            f"{lock} asks for a Python version that cannot be understood",
            details=f"Its field {field} is '{printable(value)}'.",
            resolution=f"Correct it in the [requires] table of your Pipfile, for example\n\n"
            f'    {field} = "{example}"\n\nand write the lock file again:\n\n    {command}',
        )


class ProjectNotInstallableError(SlugkitError):
    """The app is to be installed as a package, and there is no package."""

    id = "install::project-not-installable"

    def __init__(self, name: str, looked_for: Sequence[str]) -> None:
        self.name, self.looked_for = name, tuple(looked_for)
        super().__init__(
            "Your app cannot be installed as a package",
            details=f"pyproject.toml calls it '{printable(name)}'. Looked for:\n\n"
            + "\n".join(f"  {place}" for place in looked_for),
            resolution="If your app is a program and no package, say so in pyproject.toml:\n\n"
            "    [tool.poetry]\n    package-mode = false\n\n"
            "If it is a package, name its directory there:\n\n"
            '    [tool.poetry]\n    packages = [{ include = "DIRECTORY" }]',
        )


class MissingProjectFileError(SlugkitError):
    """A lock file without the file it was made from."""

    id = "package-manager::missing-project-file"

    def __init__(self, lock: str, wanted: str) -> None:
        self.lock, self.wanted = lock, wanted
        super().__init__(
            f"Your app has {lock}, but no {wanted}",
            details=f"{wanted} says which of the packages in {lock} are wanted. It is\n"
            "missing, or .gitignore or .slugignore leaves it out.",
            resolution=f"Commit {wanted} too.",
        )


class PdmWorkspaceError(SlugkitError):
    """A PDM workspace: several projects that only PDM knows how to put together."""

    id = "install::pdm-workspace"

    def __init__(self) -> None:
        super().__init__(
            "Your app is a PDM workspace",
            details="pyproject.toml has a table [tool.pdm.workspace]. Which of its members\n"
            "are installed, and in which versions, only PDM itself can say.",
            resolution="Let PDM write what to install, and commit it instead of pdm.lock:\n\n"
            "    pdm export --prod -o requirements.txt",
        )


@contextmanager
def naming_mistakes(name: str) -> Iterator[None]:
    """Turn what cannot be understood in the app's own file into an error that shows it."""
    try:
        yield
    except RequirementSyntaxError as err:
        shown = printable(str(err))
        raise InvalidProjectError(name, [f"{name}: '{shown}' is no requirement."]) from err
    except RecursionError as err:
        raise InvalidProjectError(name, [f"{name}: its groups are nested too deeply."]) from err
