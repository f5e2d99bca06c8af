"""What is said about project files and locks that cannot be used as they are."""

from __future__ import annotations

from collections.abc import Sequence

from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import value


@value
class Difference:
    """One thing that a lock file and the file it was made from say differently.

    An empty text means that the side does not have it at all.
    """

    name: str
    locked: str
    wanted: str

    def shown(self, lock: str, source: str) -> str:
        """Both texts, each after the file it stands in."""
        name = printable(self.name)
        if not self.locked:
            return f"  {name}: {source} asks for {printable(self.wanted)}, {lock} lacks it"
        if not self.wanted:
            return f"  {name}: {lock} has {printable(self.locked)}, {source} no longer asks for it"
        width = max(len(lock), len(source)) + 1
        return (
            f"  {name}:\n"
            f"    {source + ':':<{width}} {printable(self.wanted)}\n"
            f"    {lock + ':':<{width}} {printable(self.locked)}"
        )


class LockOutOfSyncError(SlugkitError):
    """A lock file is older than the file it was made from."""

    id = "install::lock-out-of-sync"

    def __init__(
        self, lock: str, source: str, differences: Sequence[Difference], command: str
    ) -> None:
        self.lock, self.source, self.command = lock, source, command
        self.differences = tuple(differences)
        listing = "\n".join(difference.shown(lock, source) for difference in differences)
        super().__init__(
            f"{lock} does not match {source}",
            details=f"Nothing was installed. What differs:\n\n{listing}",
            resolution=f"Write the lock file again and commit it:\n\n    {command}\n"
            f"    git add {lock}",
        )


class UvLockOutOfSyncError(LockOutOfSyncError):
    """uv finds its lock out of date where our own comparison sees no difference."""

    def __init__(self, lock: str, source: str, command: str) -> None:
        super().__init__(lock, source, (), command)
        self.details = (
            "Nothing was installed. The dependencies in it are those of your app, but\n"
            "something else that decides it was changed: an index, a constraint, a\n"
            "setting in [tool.uv], or a local package."
        )


class BrokenFileError(SlugkitError):
    """A project file or lock file cannot be parsed."""

    id = "package-manager::broken-file"

    def __init__(self, name: str, line: int, reason: str, remedy: str) -> None:
        self.name, self.line, self.reason = name, line, reason
        place = f"{name}:{line}" if line else name
        super().__init__(
            f"{name} cannot be understood", details=f"{place}: {reason}", resolution=remedy
        )


class InvalidProjectError(SlugkitError):
    """Values in a project file that make no sense, all of them at once."""

    id = "package-manager::invalid-project"

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name, self.problems = name, tuple(problems)
        count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(
            f"{name} has {count}",
            details="\n".join(problems),
            resolution="Correct the file. A requirement looks like one of these:\n\n"
            '    "flask==3.1.3"\n    "gunicorn>=23"\n    "psycopg[binary]"',
        )


class InvalidLockError(SlugkitError):
    """Entries of a lock file that make no sense, all of them at once."""

    id = "package-manager::broken-file"

    def __init__(self, lock: str, problems: Sequence[str], command: str) -> None:
        self.lock, self.problems = lock, tuple(problems)
        count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(
            f"{lock} has {count}",
            details="\n".join(problems),
            resolution=f"Write it again and commit it:\n\n    {command}\n    git add {lock}",
        )


class UnknownChoiceError(SlugkitError):
    """A setting names dependency groups or extras that the app does not have."""

    id = "settings::unknown-group"

    def __init__(
        self, setting: str, unknown: Sequence[str], source: str, known: Sequence[str]
    ) -> None:
        self.setting, self.unknown, self.known = setting, tuple(unknown), tuple(known)
        has = f"It has: {', '.join(known)}." if known else "It has none."
        names = ", ".join(f"'{printable(name)}'" for name in unknown)
        super().__init__(
            f"{setting} names what {source} does not have",
            details=f"Not in {source}: {names}. {has}",
            resolution=f"Correct {setting}, or remove it.",
        )


class LockVersionError(SlugkitError):
    """A lock file has a format that came after this version."""

    id = "package-manager::lock-version"

    def __init__(self, name: str, found: str, known: str, command: str) -> None:
        self.name, self.found = name, found
        super().__init__(
            f"{name} has a format we do not know",
            details=f"Its version is {printable(found)}; this buildpack reads version {known}.",
            resolution=f"Write it with a version of its tool that makes that format:\n\n"
            f"    {command}",
        )


class RequiredUvVersionError(SlugkitError):
    """The app insists on another uv than the one that is pinned here."""

    id = "package-manager::uv-version"

    def __init__(self, origin: str, required: str, ours: str) -> None:
        self.origin, self.required, self.ours = origin, required, ours
        super().__init__(
            f"Your app asks for another version of uv than {ours}",
            details=f"{origin} has required-version = '{printable(required)}'. Builds use\n"
            f"uv {ours}, pinned with its checksum, so that they are repeatable.",
            resolution=f"Widen it so that {ours} is allowed, for example:\n\n"
            f'    required-version = ">={ours}"\n\n'
            "or remove required-version.",
        )


class LocalPathError(SlugkitError):
    """Path dependencies that are not in the app's source."""

    id = "install::local-path"

    def __init__(self, source: str, problems: Sequence[tuple[str, str]]) -> None:
        self.source, self.problems = source, tuple(problems)
        listing = "\n".join(f"  {printable(path)}: {why}" for path, why in problems)
        super().__init__(
            f"{source} names local packages that are not there",
            details=listing,
            resolution="Only your app's source is there when it is built. Commit these\n"
            "packages to it, or install them from a package index or from git.",
        )


class NothingToInstallError(SlugkitError):
    """pyproject.toml holds settings of tools, and no dependencies."""

    id = "package-manager::pyproject-no-project"

    def __init__(self, found: Sequence[str]) -> None:
        self.found = tuple(found)
        has = ", ".join(f"[{printable(name)}]" for name in found) or "nothing"
        super().__init__(
            "pyproject.toml does not say what to install",
            details=f"It has {has}, but neither [project] nor [build-system].",
            resolution="List your app's dependencies in it:\n\n"
            '    [project]\n    name = "app"\n    version = "0"\n'
            '    dependencies = ["flask"]',
        )


class UnsupportedEnvironmentError(SlugkitError):
    """A lock file was made for other systems than the one that builds."""

    id = "install::lock-environment"

    def __init__(self, lock: str, environments: Sequence[str]) -> None:
        self.lock, self.environments = lock, tuple(environments)
        listing = "\n".join(f"  {printable(marker)}" for marker in environments)
        super().__init__(
            f"{lock} was not made for this system",
            details=f"It holds for these environments, and this is none of them:\n\n{listing}",
            resolution="Make the lock file for Linux and the Python version of your app as\n"
            "well, and commit it.",
        )


class SeveralScriptsError(SlugkitError):
    """More than one script says what it needs."""

    id = "package-manager::several-scripts"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        listing = "\n".join(f"  {printable(name)}" for name in names)
        super().__init__(
            "Several scripts of your app say what they need",
            details=f"Each of these has a '# /// script' block:\n\n{listing}",
            resolution="A slug has one set of packages. Say which script counts with config\n"
            "vars:\n\n    SLUGKIT_PACKAGE_MANAGER=script\n"
            f"    SLUGKIT_REQUIREMENTS={names[0]}\n\n"
            "or list the packages of them all in a requirements.txt.",
        )
