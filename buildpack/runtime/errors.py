"""What can go wrong on the way to a Python."""

from __future__ import annotations

from collections.abc import Sequence

from buildpack.runtime.managed import ProviderFailure
from buildpack.support.errors import SlugkitError, printable
from buildpack.versions.python_version import PythonVersion, RequestedPythonVersion, VersionOrigin


class RuntimeBrokenError(SlugkitError):
    """The copied interpreter does not run; the next candidate is asked."""

    id = "runtime::broken"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__("The copied Python does not run", details=reason)


class UnknownProviderError(SlugkitError):
    """SLUGKIT_PYTHON_PROVIDER names nobody."""

    id = "runtime::unknown-provider"

    def __init__(self, value: str) -> None:
        self.value = value
        super().__init__(
            f"There is no Python provider '{printable(value)}'",
            details="It comes from the environment variable SLUGKIT_PYTHON_PROVIDER.",
            resolution="Set it to 'uv' (managed builds) or 'host' (a Python of the build\n"
            "machine), or unset it to ask both.",
        )


class PythonUnavailableError(SlugkitError):
    """No provider has the requested version."""

    id = "python-version::not-available"

    def __init__(
        self,
        requested: RequestedPythonVersion | None,
        failures: Sequence[ProviderFailure],
        available: Sequence[PythonVersion],
        series: Sequence[str],
        *,
        limits: Sequence[str] = (),
        newest: PythonVersion | None = None,
    ) -> None:
        self.requested, self.failures = requested, tuple(failures)
        self.available, self.limits = tuple(available), tuple(limits)
        if requested and requested.patch is not None:
            self.reason_id = "python-version::unknown-patch"
        span = series[0] if len(series) == 1 else f"{series[-1]} to {series[0]}"
        asked = "\n".join(f"  {failure.provider}: {failure.reason}" for failure in failures)
        super().__init__(
            f"Python {requested or span} is not available here",
            details=f"These were asked for it:\n\n{asked}{_limits(limits)}"
            f"{_newest(requested, newest)}",
            resolution=_advice(requested, available),
        )


def _limits(limits: Sequence[str]) -> str:
    return (
        f"\n\nIt must also be within the limits of your app: {', '.join(limits)}" if limits else ""
    )


def _newest(requested: RequestedPythonVersion | None, newest: PythonVersion | None) -> str:
    """Only whoever named a patch release may have named one that does not exist."""
    if requested is None or requested.patch is None or newest is None:
        return ""
    return f"\n\nThe newest release of Python {newest.series} that we know is {newest}."


def _advice(requested: RequestedPythonVersion | None, available: Sequence[PythonVersion]) -> str:
    install = (
        "Install it on the build machine (for example with pyenv), or let\n"
        "uv download it (see UV_PYTHON_INSTALL_MIRROR for a mirror)."
    )
    if not available:
        return f"No other Python was found on the build machine either.\n{install}"
    ordered = sorted(available, key=lambda v: _distance(v, requested))
    listing = ", ".join(str(version) for version in ordered)
    nearest = ordered[0]
    has_series = requested is not None and requested.series == nearest.series
    advice = (
        f"To get the newest patch release of Python {nearest.series} that can be had, name none:"
        if has_series
        else "To use the nearest, name it instead:"
    )
    return (
        f"The build machine has: {listing}\n\n{advice}\n\n"
        f"{how_to_ask(requested, nearest.series)}\n\n{install}"
    )


def how_to_ask(requested: RequestedPythonVersion | None, series: str) -> str:
    """The lines that ask for ``series`` where the app asked for something else."""
    match requested and requested.origin:
        case VersionOrigin.LOCK_FILE:
            return f'    python_version = "{series}" in your Pipfile, then: pipenv lock'
        case VersionOrigin.RUNTIME_TXT:
            return f"    echo {series} > .python-version\n    git rm runtime.txt"
    return f"    echo {series} > .python-version"


def _distance(version: PythonVersion, requested: RequestedPythonVersion | None) -> tuple[int, int]:
    if requested is None:
        return (0, -version.minor)
    # Without a patch the newest was meant.
    patch = 99 if requested.patch is None else requested.patch
    return (abs(version.minor - requested.minor), abs(version.patch - patch))
