"""What can go wrong on the way to a Python."""

from __future__ import annotations

from collections.abc import Sequence

from buildpack.python_version import PythonVersion, RequestedPythonVersion
from buildpack.runtime.managed import ProviderFailure
from buildpack.support.errors import SlugkitError, printable


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
    ) -> None:
        self.requested, self.failures = requested, tuple(failures)
        self.available = tuple(available)
        wanted = f"Python {requested}" if requested else f"Python {series[-1]} to {series[0]}"
        asked = "\n".join(f"  {failure.provider}: {failure.reason}" for failure in failures)
        super().__init__(
            f"{wanted} is not available here",
            details=f"These were asked for it:\n\n{asked}",
            resolution=_advice(requested, available),
        )


def _advice(requested: RequestedPythonVersion | None, available: Sequence[PythonVersion]) -> str:
    install = (
        "Install it on the build machine (for example with pyenv), or let\n"
        "uv download it (see UV_PYTHON_INSTALL_MIRROR for a mirror)."
    )
    if not available:
        return f"No other Python was found on the build machine either.\n{install}"
    ordered = sorted(available, key=lambda v: _distance(v, requested))
    listing = ", ".join(str(version) for version in ordered)
    return (
        f"The build machine has: {listing}\n\n"
        f"To use the nearest, write it into .python-version:\n\n"
        f"    echo {ordered[0]} > .python-version\n\n{install}"
    )


def _distance(version: PythonVersion, requested: RequestedPythonVersion | None) -> tuple[int, int]:
    if requested is None:
        return (0, -version.minor)
    return (
        abs(version.minor - requested.minor),
        abs(version.patch - (requested.patch or 0)),
    )
