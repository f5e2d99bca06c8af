"""Makes the requested Python in the cache, from the first provider that can deliver it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from buildpack.runtime.build import build_runtime
from buildpack.runtime.early_copy import EarlyCopy
from buildpack.runtime.errors import PythonUnavailableError, RuntimeBrokenError
from buildpack.runtime.install import RuntimeRequest
from buildpack.runtime.interpreter import Interpreter, find_interpreters
from buildpack.runtime.managed import ManagedBuilds, ProviderFailure
from buildpack.support import files
from buildpack.support.deletion import remove_tree
from buildpack.support.output import Output
from buildpack.tools import ToolBox
from buildpack.versions.python_version import PythonVersion, VersionStatus


def make_runtime(
    request: RuntimeRequest,
    home: Path,
    tools: ToolBox,
    out: Output,
    meanwhile: Callable[[Interpreter], None],
) -> None:
    """Publish it at ``home``. Raises PythonUnavailableError with what every provider said."""
    tools.prefetch("uv", "patchelf")
    failures: list[ProviderFailure] = []
    early = _start_copying(request, tools, meanwhile) if "host" in request.providers else None
    try:
        made = any(
            _from_host(early, home, failures, out)
            if provider == "host" and early
            else _from_managed(request, home, tools, failures, out)
            for provider in request.providers
        )
    finally:
        if early:
            early.discard()
    if not made:
        raise PythonUnavailableError(
            request.requested,
            failures,
            available_versions(request),
            request.series,
            limits=request.allowed.limits if request.allowed else (),
            newest=request.known[request.series[0]].latest,
        )


def _start_copying(
    request: RuntimeRequest, tools: ToolBox, meanwhile: Callable[[Interpreter], None]
) -> EarlyCopy:
    offers = (
        interpreter
        for series in request.series
        for interpreter in find_interpreters(series, request.env, requested=request.requested)
        if request.accepts(interpreter.version)
    )

    def build(interpreter: Interpreter, temporary: Path) -> None:
        reason = f"a copy of {interpreter.label} on the build machine"
        build_runtime(interpreter, temporary, "host", reason, tools, request.cache_dir)

    early = EarlyCopy(offers, request.cache_dir / "runtimes" / "copied", build, meanwhile)
    early.start()
    return early


def _from_host(
    early: EarlyCopy,
    home: Path,
    failures: list[ProviderFailure],
    out: Output,
) -> bool:
    taken = early.take(home)
    for each in early.passed_over:
        failures.append(ProviderFailure("host", f"{each.label}: {each.reason}"))
        out.info(f"Passed over {each.label}: {each.reason}")
    if not taken:
        failures.append(ProviderFailure("host", "no suitable Python on the build machine"))
    return taken


def _from_managed(
    request: RuntimeRequest,
    home: Path,
    tools: ToolBox,
    failures: list[ProviderFailure],
    out: Output,
) -> bool:
    directory = request.cache_dir / "runtimes"
    managed = ManagedBuilds(uv=tools.program("uv"), env=request.env, directory=directory)
    try:
        found = first_managed(managed, request)
        if isinstance(found, ProviderFailure):
            failures.append(found)
            out.info(f"No managed build: {found.reason}")
            return False
        with files.publishing_dir(home) as temporary:
            reason = "a managed build, downloaded by uv"
            build_runtime(found, temporary, "uv", reason, tools, request.cache_dir)
    except RuntimeBrokenError as err:
        failures.append(ProviderFailure("uv", err.reason))
        out.info(f"Passed over uv's managed build: {err.reason}")
        return False
    finally:
        remove_tree(directory / "managed")
    return True


def first_managed(managed: ManagedBuilds, request: RuntimeRequest) -> Interpreter | ProviderFailure:
    """The best managed build there is; only "no such version" is a reason to ask for another."""
    failure = ProviderFailure("uv", "no version was asked for")
    for version in request.wanted:
        found = managed.install(version)
        if isinstance(found, Interpreter):
            if request.accepts(found.version):
                return found
            found = ProviderFailure(
                "uv", f"its {found.version} is outside the limits", is_unknown_version=True
            )
        failure = found
        if not found.is_unknown_version:
            break
    return failure


def available_versions(request: RuntimeRequest) -> Sequence[PythonVersion]:
    """What the build machine could offer instead, within the app's limits, newest first."""
    accepted = (v.series for v in request.known.values() if v.status is not VersionStatus.EOL)
    versions = {
        interpreter.version
        for series in accepted
        for interpreter in find_interpreters(series, request.env, requested=None)
        if request.allowed is None or request.allowed.is_within_limits(interpreter.version)
    }
    return sorted(versions, reverse=True)
