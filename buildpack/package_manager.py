"""Which program installs the app's dependencies: exactly one, or an error naming those found."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum

from buildpack.app import App
from buildpack.detect import MISSPELT_REQUIREMENTS
from buildpack.detect_closely import hints, list_root
from buildpack.hostile_text import loads_toml
from buildpack.settings import PACKAGE_MANAGER, BuildSettings
from buildpack.support.errors import SlugkitError, UsageError, printable


class PackageManager(StrEnum):
    """The package managers we install for, under the names SLUGKIT_PACKAGE_MANAGER takes."""

    PIP = "pip"
    PIP_TOOLS = "pip-tools"
    UV = "uv"
    POETRY = "poetry"
    PIPENV = "pipenv"
    PDM = "pdm"
    PYLOCK = "pylock"
    PYPROJECT = "pyproject"
    SETUP_PY = "setup.py"
    SCRIPT = "script"


LOCK_FILES: Mapping[str, PackageManager] = {
    "requirements.txt": PackageManager.PIP,
    "uv.lock": PackageManager.UV,
    "poetry.lock": PackageManager.POETRY,
    "Pipfile.lock": PackageManager.PIPENV,
    "pdm.lock": PackageManager.PDM,
    "pylock.toml": PackageManager.PYLOCK,
}
"""Files that say exactly what is installed. Two of them would mean two truths about one app."""

NEEDED_FILES: Mapping[PackageManager, tuple[str, ...]] = {
    **{manager: (name,) for name, manager in LOCK_FILES.items()},
    PackageManager.PIP_TOOLS: ("requirements.in",),
    PackageManager.PYPROJECT: ("pyproject.toml",),
    PackageManager.SETUP_PY: ("setup.py", "setup.cfg"),
}
"""What a chosen package manager reads: one of these must be there."""

NAMED_PYLOCK = re.compile(r"pylock\.[^.]+\.toml")
"""The other name a PEP 751 lock may have."""

SETUP_CFG = re.compile(r"^\[(metadata|options)\]", re.MULTILINE)
"""What a setup.cfg has that describes a package."""

SCRIPT_MARK = "# /// script"
"""The first line of a block of script metadata (PEP 723)."""


class NoPackageManagerError(SlugkitError):
    """Nothing says what the app depends on."""

    id = "package-manager::none-found"

    def __init__(self, app: App) -> None:
        names = sorted(app.names())
        # Of programs, no other spelling would say what they need.
        meant = hints(str(app.root), [name for name in names if not name.endswith(".py")])
        listing = "\n".join(f"  {entry}" for entry in list_root(str(app.root), names))
        super().__init__(
            "Nothing says which packages your app needs",
            details=f"Looked for {', '.join(LOCK_FILES)},\n"
            "requirements.in, pyproject.toml, setup.py and scripts with metadata.\n"
            f"The root directory of your app holds:\n\n{listing}"
            f"{_table_hint(app)}" + "\n".join(["", *meant] if meant else []),
            resolution="Add one of them to the root directory. If your app needs no\n"
            "packages, an empty requirements.txt will do:\n\n    touch requirements.txt",
        )


def _table_hint(app: App) -> str:
    wanted = {"pyproject.toml": "[project] table", "setup.cfg": "[metadata] section"}
    return "".join(
        f"\n\n{name} has no {what}: it only says how tools should behave."
        for name, what in wanted.items()
        if app.is_file(name)
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
        listing = "\n".join(f"  {name} ({_manager_of(name)})" for name in found)
        others = " ".join(name for name in found if name != found[0])
        super().__init__(
            "Your app uses more than one package manager",
            details=f"Each of these files lists the dependencies of your app:\n\n{listing}",
            resolution="Keep the one you use and remove the others. For example,\n"
            f"to keep {found[0]}:\n\n    git rm {others}\n\n"
            "To keep them all, say which one counts with a config var:\n\n"
            f"    {PACKAGE_MANAGER}={_manager_of(found[0])}",
        )


class MissingLockError(SlugkitError):
    """The app says what it wants, and not in which versions."""

    id = "package-manager::missing-lockfile"

    def __init__(self, found: str, lock: str, command: str) -> None:
        self.found, self.lock, self.command = found, lock, command
        super().__init__(
            f"Your app has {found}, but no {lock}",
            details=f"{lock} holds the exact versions to install. It is missing, or\n"
            ".gitignore or .slugignore leaves it out.",
            resolution=f"Make it and commit it:\n\n    {command}\n    git add {lock}",
        )


class UnknownPackageManagerError(UsageError):
    """SLUGKIT_PACKAGE_MANAGER holds a name we do not know."""

    id = "package-manager::unknown"

    def __init__(self, value: str) -> None:
        self.value = value
        super().__init__(
            f"{PACKAGE_MANAGER} names no package manager we know",
            details=f"Its value is '{printable(value)}'.",
            resolution=f"Use one of: {', '.join(PackageManager)}.",
        )


class ChosenFileMissingError(SlugkitError):
    """The chosen package manager has nothing to read."""

    id = "package-manager::file-missing"

    def __init__(self, manager: PackageManager, wanted: tuple[str, ...]) -> None:
        self.manager, self.wanted = manager, wanted
        super().__init__(
            f"Your app has no {' or '.join(wanted)}",
            details=f"{PACKAGE_MANAGER} is '{manager}', which reads that file.",
            resolution=f"Add it to your app, or remove the setting {PACKAGE_MANAGER}.",
        )


def determine_package_manager(app: App, settings: BuildSettings) -> PackageManager:
    """The one package manager of the app: the chosen one, or the one whose file is there.

    A file with exact versions counts before one with wishes: pyproject.toml beside a lock file
    is that manager's own. Raises with every file it found.
    """
    names = app.names()
    if settings.package_manager:
        return _chosen(settings.package_manager, names, app)
    locks = dict.fromkeys(name for name in LOCK_FILES if name in names)
    if "pylock.toml" not in names:
        locks |= dict.fromkeys(name for name in sorted(names) if NAMED_PYLOCK.fullmatch(name))
    if settings.requirements_files != BuildSettings().requirements_files:
        locks = {"requirements.txt": None, **locks}
    if len(locks) > 1:
        raise MultiplePackageManagersError(tuple(locks))
    for name in locks:
        return _manager_of(name)
    if _is_in_workspace(app):
        return PackageManager.UV
    return _without_lock(app, names)


def _manager_of(lock: str) -> PackageManager:
    return LOCK_FILES.get(lock, PackageManager.PYLOCK)


def _is_in_workspace(app: App) -> bool:
    """Is it a member of a uv workspace, whose lock is further up in the source?"""
    if app.source in {None, app.root}:
        return False
    from buildpack.installers.uv_workspace import find_workspace

    return find_workspace(app) is not None


def _chosen(value: str, names: frozenset[str], app: App) -> PackageManager:
    try:
        manager = PackageManager(value)
    except ValueError as err:
        raise UnknownPackageManagerError(value) from err
    wanted = NEEDED_FILES.get(manager, ())
    if manager is PackageManager.PIP:
        return manager  # Its reader names each missing file of SLUGKIT_REQUIREMENTS.
    if manager is PackageManager.PYLOCK and any(map(NAMED_PYLOCK.fullmatch, names)):
        return manager
    if manager is PackageManager.UV and _is_in_workspace(app):
        return manager
    if wanted and not names.intersection(wanted):
        raise ChosenFileMissingError(manager, wanted)
    return manager


def _without_lock(app: App, names: frozenset[str]) -> PackageManager:
    if "requirements.in" in names:
        return PackageManager.PIP_TOOLS
    if "Pipfile" in names:
        raise MissingLockError("a Pipfile", "Pipfile.lock", "pipenv lock")
    if "pyproject.toml" in names and _lists_dependencies(app):
        return PackageManager.PYPROJECT
    for name in MISSPELT_REQUIREMENTS:
        if app.is_file(name):
            raise MisspeltRequirementsError(name)
    if "setup.py" in names or _describes_package(app):
        return PackageManager.SETUP_PY
    if find_scripts(app):
        return PackageManager.SCRIPT
    raise NoPackageManagerError(app)


def _lists_dependencies(app: App) -> bool:
    """Does pyproject.toml say what the app needs, rather than only how tools should behave?"""
    try:
        document = loads_toml(app.read_text("pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return True  # Its own reader says where the mistake is.
    tools, project = document.get("tool"), document.get("project")
    if isinstance(tools, dict) and "poetry" in tools and not _names_dependencies(project):
        raise MissingLockError("a pyproject.toml for Poetry", "poetry.lock", "poetry lock")
    return "project" in document or "build-system" in document


def _describes_package(app: App) -> bool:
    """Does setup.cfg say what to install, rather than only how tools should behave?"""
    return app.is_file("setup.cfg") and bool(SETUP_CFG.search(app.read_text("setup.cfg")))


def _names_dependencies(project: object) -> bool:
    return isinstance(project, dict) and "dependencies" in project


def find_scripts(app: App) -> tuple[str, ...]:
    """The scripts in the root directory that carry their own requirements (PEP 723)."""
    return tuple(
        name
        for name in sorted(app.names())
        if name.endswith(".py") and app.is_file(name) and _has_metadata(app, name)
    )


def _has_metadata(app: App, name: str) -> bool:
    text = app.read_bytes(name).decode("utf-8", "replace")
    return any(line.rstrip() == SCRIPT_MARK for line in text.splitlines())
