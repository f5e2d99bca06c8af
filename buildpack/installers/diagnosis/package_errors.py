"""Packages that exist, and cannot be used: for this Python, for this platform, or at all."""

from __future__ import annotations

import re

from buildpack.installers.diagnosis.errors import wrapped
from buildpack.support.errors import ExitCode, SlugkitError


class PythonExcludedError(SlugkitError):
    """A package, or one that it needs, is not for the chosen Python."""

    exit_code = ExitCode.DATA
    id = "install::python-incompatible"

    def __init__(self, package: str, wanted: str, python: str, explanation: str) -> None:
        self.package, self.wanted, self.python = package, wanted, python
        name, series = package.partition("==")[0], ".".join(python.split(".")[:2])
        super().__init__(
            f"{package} is not for Python {series}"
            if series
            else f"{package} is for other Pythons",
            details=f"It requires Python {wanted}.\n\n{wrapped(explanation)}",
            resolution="Choose a Python that it is for, in .python-version; or ask for a\n"
            f"version of {name} that is for this one.",
        )


class NoWheelError(SlugkitError):
    """There are files of the package, and none is for this Python and platform."""

    exit_code = ExitCode.DATA
    id = "install::no-wheel"

    def __init__(self, package: str, explanation: str, hint: str) -> None:
        self.package, self.explanation, self.hint = package, explanation, hint
        is_file = package.endswith(".whl")
        super().__init__(
            f"{package} cannot be installed here"
            if is_file
            else f"No file of {package} can be installed here",
            details=wrapped(hint or explanation),
            resolution=_other_platform(package, hint)
            or "Choose a Python that it has wheels for, in .python-version, or another\n"
            "version of the package.",
        )


WINDOWS_ALONE = frozenset({"pywin32", "pywinpty", "windows-curses"})
"""What `pip freeze` writes on Windows. Of a version without wheels for this Python uv does not say
that they are all for another system."""


def _other_platform(package: str, hint: str) -> str:
    """What to do where its files are for other systems, and no Python would help."""
    if package.lower() in WINDOWS_ALONE:
        return (
            f"{package} is for Windows alone. Say so behind it:\n\n"
            f"    {package} ; sys_platform == 'win32'"
        )
    if not re.search(r"following platforms?:|compatible with \w+ \(", hint):
        return ""
    advice = "Ask for a version that has a file for this platform."
    system = "win32" if "`win" in hint else "darwin" if "`macosx" in hint else ""
    if not system:  # another processor's Linux
        return advice
    return (
        f"{advice} If only another system\n"
        f"needs it, say so behind it:\n\n    {package} ; sys_platform == '{system}'"
    )


class BadMetadataError(SlugkitError):
    """A package describes itself in a way no installer of today accepts."""

    exit_code = ExitCode.DATA
    id = "install::bad-metadata"

    def __init__(self, package: str, hint: str) -> None:
        self.package, self.hint = package, hint
        super().__init__(
            f"{package} has invalid metadata",
            details=hint,
            resolution="pip before 24.1 let this pass; nothing does today. Ask for a newer\n"
            "version of the package: most were corrected long ago.",
        )


class YankedError(SlugkitError):
    """All that fits was withdrawn by its authors."""

    exit_code = ExitCode.DATA
    id = "install::yanked"

    def __init__(self, package: str, reason: str) -> None:
        self.package, self.reason = package, reason
        name = package.partition("==")[0]
        super().__init__(
            f"{package} was withdrawn by its authors ('yanked')",
            details=f"Their reason: {reason}" if reason else "They gave no reason.",
            resolution=f"Allow another version of {name}. To have this one all the same,\n"
            f"ask for it exactly: {package}",
        )


class PreReleaseOnlyError(SlugkitError):
    """All that fits is a pre-release, and those are not chosen unasked."""

    exit_code = ExitCode.DATA
    id = "install::pre-release"

    def __init__(self, package: str, version: str, explanation: str) -> None:
        self.package, self.version, self.explanation = package, version, explanation
        super().__init__(
            f"Of {package} there is only a pre-release, {version}",
            details=wrapped(explanation),
            resolution="Pre-releases are not chosen unasked. Ask for it exactly:\n\n"
            f"    {package}=={version}\n\nor put this on a line of its own, for all packages:\n\n"
            "    --pre",
        )
