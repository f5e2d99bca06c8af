"""What can stand between an app and a Python version, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildpack.support.errors import Problem, SlugkitError, printable
from buildpack.versions.python_specifier import suggest_specifier
from buildpack.versions.python_version import (
    ALLOW_EOL,
    KnownVersion,
    VersionOrigin,
    VersionPolicy,
    VersionSource,
    default_series,
)


def choices(source: VersionSource, policy: VersionPolicy) -> str:
    """Which versions may be asked for, and how, where ``source`` is."""
    accepted = policy.accepted()
    default = default_series(policy.known)
    if source.specifier:
        return f"Let it allow a version from {accepted[-1].series} to {accepted[0].series}."
    return (
        f"Choose a version from {accepted[-1].series} to {accepted[0].series}. For example:\n\n"
        f"    echo {default} > .python-version"
    )


def asks(source: VersionSource) -> str:
    """One sentence: who asks for which Python."""
    if source.origin is VersionOrigin.LAST_BUILD:
        return (
            f"Your app does not say which Python it needs, so it would get the one of\n"
            f"its last build, Python {source.value}."
        )
    if source.specifier:
        return f"{source.place} allows Python {printable(source.value)}."
    return f"{source.place} asks for Python {source.requested}."


class EndOfLifeVersionError(SlugkitError):
    """No security fixes for long, and the time of grace is over."""

    id = "python-version::eol"

    def __init__(self, source: VersionSource, entry: KnownVersion, policy: VersionPolicy) -> None:
        self.source, self.entry = source, entry
        ended = f"It has had no security fixes since {entry.end_of_life:%Y-%m-%d}."
        switch = (
            f"To build with it all the same, at your own risk, set the config var\n{ALLOW_EOL}=1."
            if entry.can_build
            else f"{ALLOW_EOL} does not help here: Python {entry.series} is too old\n"
            "for the steps of a build."
        )
        super().__init__(
            f"Python {entry.series} is no longer supported",
            details=f"{asks(source)}\n{ended}",
            resolution=f"{choices(source, policy)}\n\n{switch}",
        )


class UnknownVersionError(SlugkitError):
    """Not released, or newer than this buildpack."""

    id = "python-version::unknown-major"

    def __init__(self, source: VersionSource, policy: VersionPolicy) -> None:
        self.source = source
        newest = policy.accepted()[0]
        asked = source.requested.series if source.requested else source.value
        newer = f"The newest version this buildpack knows is {newest.series}."
        if source.origin is VersionOrigin.LAST_BUILD:
            newer += "\nIs it an older release of the buildpack than the one before?"
        super().__init__(
            f"Python {printable(asked)} is not a version we know",
            details=f"{asks(source)}\n{newer}",
            resolution=choices(source, policy),
        )


class ConflictingVersionsError(SlugkitError):
    """No Python is what all of these ask for."""

    id = "python-version::conflict"

    def __init__(self, sources: Sequence[VersionSource], would_do: str = "") -> None:
        self.sources, self.would_do = tuple(sources), would_do
        width = max(len(source.place) for source in sources)
        listing = "\n".join(f"  {s.place:<{width}}  {printable(s.value)}" for s in sources)
        super().__init__(
            "Your app asks for Python versions that exclude each other",
            details=f"No version of Python satisfies all of these:\n\n{listing}",
            resolution=_reconcile(sources, would_do),
        )


def _reconcile(sources: Sequence[VersionSource], would_do: str) -> str:
    files = {source.file for source in sources}
    if files == {".python-version", "runtime.txt"}:
        return "Keep .python-version and remove the other:\n\n    git rm runtime.txt"
    if would_do and any(s.requested for s in sources) and any(s.specifier for s in sources):
        return (
            "Change one of them. This would be allowed:\n\n"
            f"    echo {would_do} > .python-version{_more(files)}"
        )
    return f"Change one of them so that they agree.{_more(files)}"


def _more(files: set[str]) -> str:
    relock = {
        "Pipfile.lock": "Pipfile.lock follows your Pipfile: change python_version there, then run\n"
        "pipenv lock.",
        "poetry.lock": "poetry.lock follows pyproject.toml: change it there, then run poetry lock.",
        "uv.lock": "uv.lock follows pyproject.toml: change it there, then run uv lock.",
        "pdm.lock": "pdm.lock follows pyproject.toml: change it there, then run pdm lock.",
    }
    notes = [note for name, note in relock.items() if name in files]
    return "".join(f"\n\n{note}" for note in notes)


class NoVersionSatisfiesError(SlugkitError):
    """The limits leave no Python that we know."""

    id = "python-version::none-satisfies"

    def __init__(self, limits: Sequence[VersionSource], policy: VersionPolicy) -> None:
        self.limits = tuple(limits)
        listing = "\n".join(f"  {s.place}: {printable(s.value)}" for s in limits)
        known = "\n".join(f"  {entry.latest}" for entry in policy.accepted())
        super().__init__(
            "No supported Python satisfies what your app requires",
            details=f"{listing}\n\nThe newest releases we know:\n\n{known}",
            resolution="Change the limit, so that one of these is within it.",
        )


class InvalidRequiresPythonError(SlugkitError):
    """A limit is not written as PEP 440 has it; every wrong clause of every file is named."""

    id = "python-version::invalid-requires-python"

    def __init__(self, wrong: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        self.wrong = dict(wrong)
        lines, meant = [], []
        for place, (value, clauses) in wrong.items():
            lines.append(f"{place}: {printable(value)}")
            for clause in clauses:
                suggestion = suggest_specifier(clause)
                lines.append(f"  not valid: '{printable(clause)}'")
                if suggestion:
                    meant.append(f"    '{printable(clause)}' is written {suggestion}")
        example = '    requires-python = ">=3.11,<4"'
        super().__init__(
            "The limit of the Python version is not valid",
            details="\n".join(lines),
            resolution="It is a list of comparisons (PEP 440), separated by commas:\n\n"
            + "\n".join([*meant, "", example] if meant else [example]),
        )


class InvalidLockVersionError(SlugkitError):
    """The lock file asks for a version that is none."""

    id = "pipfile-lock::invalid-version"

    def __init__(self, file: str, line: int, key: str, value: str) -> None:
        self.file, self.line, self.key, self.value = file, line, key, value
        place = f"{file}:{line}" if line else file
        super().__init__(
            f"The Python version in your {file} is not valid",
            details=f"{place}: {key or 'python_version'} is '{printable(value)}'",
            resolution="It must be a number like 3.13, or 3.13.1 with a patch release. Change it\n"
            'in your Pipfile, for example to python_version = "3.13", and then run:\n\n'
            "    pipenv lock",
        )


class InvalidTomlError(SlugkitError):
    """A TOML file cannot be read."""

    id = "app::invalid-toml"

    def __init__(self, name: str, problem: Problem, text: str) -> None:
        self.name, self.problem = name, problem
        marker = "" if "<<<<<<<" not in text else "\n\nIt looks like an unresolved merge conflict."
        shown = f"\n\n    {printable(text.strip())}" if text.strip() else ""
        super().__init__(
            f"Your {name} is not valid TOML",
            details=f"{problem.at(name)}{shown}{marker}",
            resolution="Correct that place. The format is described at https://toml.io.",
        )
