"""Puts the requested Python into the cache, from the first provider that can deliver it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildpack.python_version import (
    DATA_FILE,
    AllowedVersions,
    KnownVersion,
    PythonVersion,
    RequestedPythonVersion,
    VersionStatus,
    parse_exact_version,
)
from buildpack.runtime.build import COMPILED, build_runtime
from buildpack.runtime.early_copy import EarlyCopy
from buildpack.runtime.errors import (
    PythonUnavailableError,
    RuntimeBrokenError,
    UnknownProviderError,
)
from buildpack.runtime.interpreter import Interpreter, find_interpreters
from buildpack.runtime.managed import ManagedBuilds, ProviderFailure
from buildpack.support import files
from buildpack.support.output import Output
from buildpack.tools import ToolBox, tool_versions

PROVIDERS = ("uv", "host")
LAYOUT = 4
"""Raised when the way a runtime is laid out changes, so that cached ones are made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A relocatable Python in the cache. ``build_id`` names its exact content."""

    home: Path
    version: PythonVersion
    provider: str
    build_id: str
    reason: str
    copied_from: Path | None = None
    """The standard library of the build machine's Python this is a copy of."""

    @property
    def python(self) -> Path:
        return self.home / "bin" / f"python{self.version.series}"

    @property
    def compiled(self) -> Path:
        """Is there when the standard library is compiled."""
        return self.home.parent / COMPILED


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRequest:
    """Which Python is wanted, and everything that decides where it comes from."""

    requested: RequestedPythonVersion | None
    known: Mapping[str, KnownVersion]
    env: Mapping[str, str]
    cache_dir: Path
    allowed: AllowedVersions | None = None
    """What the app's limits and its last build leave; None for every stable version."""

    @property
    def providers(self) -> tuple[str, ...]:
        chosen = self.env.get("SLUGKIT_PYTHON_PROVIDER", "")
        if chosen and chosen not in PROVIDERS:
            raise UnknownProviderError(chosen)
        return (chosen,) if chosen else PROVIDERS

    @property
    def series(self) -> tuple[str, ...]:
        """The minor versions that would do, the best first."""
        if self.allowed:
            return self.allowed.series
        if self.requested:
            return (self.requested.series,)
        return tuple(v.series for v in self.known.values() if v.status is VersionStatus.STABLE)

    @property
    def wanted(self) -> tuple[str, ...]:
        """What to ask a provider for, the best first: minor versions or patch releases."""
        if self.allowed:
            return self.allowed.wanted
        return (str(self.requested),) if self.requested else self.series

    def accepts(self, version: PythonVersion) -> bool:
        """Is it what was asked for, and within the limits?"""
        is_asked = self.requested is None or self.requested.accepts(version)
        return is_asked and (self.allowed is None or self.allowed.accepts(version))

    @property
    def key(self) -> str:
        """Names the cached runtime that answers this request."""
        facts = {
            "layout": LAYOUT,
            "requested": str(self.requested or "default"),
            "providers": self.providers,
            "machine": platform.machine(),
            "tools": dict(tool_versions()),
            "data": hashlib.sha256(DATA_FILE.read_bytes()).hexdigest(),
            "mirror": self.env.get("UV_PYTHON_INSTALL_MIRROR", ""),
            "pyenv": self.env.get("PYENV_ROOT", ""),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def install_runtime(
    request: RuntimeRequest,
    tools: ToolBox,
    out: Output,
    *,
    meanwhile: Callable[[Interpreter], None] = lambda _interpreter: None,
) -> tuple[Runtime, bool]:
    """The runtime, and whether it came from the cache.

    ``meanwhile`` is told which Python of the build machine is being copied, while it is.
    """
    home = request.cache_dir / "runtimes" / request.key
    cached = read_cached_runtime(home)
    if cached and request.accepts(cached.version):
        return cached, True
    if home.exists():
        # Half-written, of a version that will not do now, or of an interpreter that has changed.
        files.remove_tree(home)
    tools.prefetch()
    failures: list[ProviderFailure] = []
    early = _start_copying(request, tools) if "host" in request.providers else None
    try:
        made = any(
            _from_host(early, home, failures, out, meanwhile)
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
    runtime = read_cached_runtime(home)
    assert runtime is not None
    return runtime, False


def _start_copying(request: RuntimeRequest, tools: ToolBox) -> EarlyCopy:
    offers = (
        interpreter
        for series in request.series
        for interpreter in find_interpreters(series, request.env, requested=request.requested)
        if request.accepts(interpreter.version)
    )

    def build(interpreter: Interpreter, temporary: Path) -> None:
        reason = f"a copy of {interpreter.label} on the build machine"
        build_runtime(interpreter, temporary, "host", reason, tools, request.cache_dir)

    early = EarlyCopy(offers, request.cache_dir / "runtimes" / "copied", build)
    early.start()
    return early


def _from_host(
    early: EarlyCopy,
    home: Path,
    failures: list[ProviderFailure],
    out: Output,
    meanwhile: Callable[[Interpreter], None],
) -> bool:
    if interpreter := early.first():
        meanwhile(interpreter)
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
        files.remove_tree(directory / "managed")
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


def read_cached_runtime(home: Path) -> Runtime | None:
    """The runtime published at ``home``, unless the interpreter it came from was upgraded."""
    try:
        facts = json.loads((home / "runtime.json").read_text("utf-8"))
        if facts["executable"]:
            found = Path(facts["executable"]).stat()
            if facts["stamp"] != f"{facts['executable']}:{found.st_size}:{found.st_mtime_ns}":
                return None
    except OSError:
        return None  # Not there, or made from an interpreter that this build may not even look at.
    return Runtime(
        home=home / "python",
        version=parse_exact_version(facts["version"]),
        provider=facts["provider"],
        build_id=facts["build_id"],
        reason=facts["reason"],
        copied_from=Path(facts["stdlib"]) if facts["stdlib"] else None,
    )
