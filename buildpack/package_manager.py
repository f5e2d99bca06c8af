"""Which program installs the app's dependencies: exactly one, or an error naming those found."""

from __future__ import annotations

from enum import StrEnum

from buildpack.app import App
from buildpack.detect import MISSPELT_REQUIREMENTS, find_deeper, list_root
from buildpack.support.errors import SlugkitError


class PackageManager(StrEnum):
    """The package managers this version installs with."""

    REQUIREMENTS = "requirements"


LOCK_FILES = {
    "requirements.txt": "pip",
    "poetry.lock": "Poetry",
    "uv.lock": "uv",
    "Pipfile.lock": "Pipenv",
    "pdm.lock": "PDM",
    "pylock.toml": "PEP 751",
}
"""The file that decides, and whose it is. Two of them would mean two truths about one app."""

EXPORT_COMMANDS = {
    "poetry.lock": "poetry export -f requirements.txt -o requirements.txt",
    "uv.lock": "uv export --no-emit-project -o requirements.txt",
    "Pipfile.lock": "pipenv requirements --hash > requirements.txt",
    "Pipfile": "pipenv lock && pipenv requirements --hash > requirements.txt",
    "pdm.lock": "pdm export -o requirements.txt",
    "pylock.toml": "uv pip compile pyproject.toml -o requirements.txt",
    "pyproject.toml": "uv pip compile pyproject.toml -o requirements.txt",
    "requirements.in": "uv pip compile requirements.in -o requirements.txt",
}
"""How to get a requirements.txt out of what the app has."""


class NoPackageManagerError(SlugkitError):
    """Nothing says what the app depends on."""

    id = "package-manager::none-found"

    def __init__(self, app: App) -> None:
        names = sorted(app.names())
        deeper = find_deeper(str(app.root), names)
        self.deeper = tuple(deeper)
        listing = "\n".join(f"  {entry}" for entry in list_root(str(app.root), names))
        hint = f"\n\nFound {deeper[0]}: is your app in that directory?" if deeper else ""
        super().__init__(
            "Your app has no requirements.txt",
            details=f"The root directory of your app holds:\n\n{listing}{hint}",
            resolution="Add a requirements.txt to the root directory. If your app\n"
            "needs no packages, an empty one will do:\n\n    touch requirements.txt",
        )


class MisspeltRequirementsError(SlugkitError):
    """There is a requirements file, under a name no tool knows."""

    id = "package-manager::misspelt"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            "Your requirements file is not called requirements.txt",
            details=f"Found: {found}",
            resolution=f"Rename it:\n\n    git mv {found} requirements.txt",
        )


class MultiplePackageManagersError(SlugkitError):
    """Several files claim to list the dependencies."""

    id = "package-manager::multiple-found"

    def __init__(self, found: tuple[str, ...]) -> None:
        self.found = found
        listing = "\n".join(f"  {name} ({LOCK_FILES[name]})" for name in found)
        others = " ".join(name for name in found if name != found[0])
        super().__init__(
            "Your app uses more than one package manager",
            details=f"Each of these files lists the dependencies of your app:\n\n{listing}",
            resolution="Keep the one you use and remove the others. For example,\n"
            f"to keep {found[0]}:\n\n    git rm {others}",
        )


class UnsupportedPackageManagerError(SlugkitError):
    """The app's package manager is known, and comes in a later version."""

    id = "package-manager::not-supported-yet"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            f"This version cannot install from {found} yet",
            details=f"Your app has {found} and no requirements.txt. Support for it\n"
            "comes in a later version.",
            resolution="Until then, write its packages to a requirements.txt and\n"
            f"commit that file instead:\n\n    {EXPORT_COMMANDS[found]}",
        )


class SetupPyOnlyError(SlugkitError):
    """The app is a package of its own, and nothing says to install it."""

    id = "package-manager::setup-py-only"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            f"Your app has {found}, but no requirements.txt",
            details=f"On its own, {found} does not say that your app should be\n"
            "installed, nor in which versions its packages are wanted.",
            resolution="Add a requirements.txt with this line:\n\n    .",
        )


def determine_package_manager(app: App) -> PackageManager:
    """The one package manager of the app. Raises with every file it found."""
    names = app.names()
    found = tuple(name for name in LOCK_FILES if name in names)
    if len(found) > 1:
        raise MultiplePackageManagersError(found)
    if found == ("requirements.txt",):
        return PackageManager.REQUIREMENTS
    for name in EXPORT_COMMANDS:
        if name in names:
            raise UnsupportedPackageManagerError(name)
    for name in MISSPELT_REQUIREMENTS:
        if name in names:
            raise MisspeltRequirementsError(name)
    for name in ("setup.py", "setup.cfg"):
        if name in names:
            raise SetupPyOnlyError(name)
    raise NoPackageManagerError(app)
