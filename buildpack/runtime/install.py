"""Puts the requested Python into the cache, from the first provider that can deliver it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.cache import mark_used
from buildpack.support.deletion import remove_tree
from buildpack.support.output import Output
from buildpack.support.values import value
from buildpack.tools import ToolBox, tool_versions
from buildpack.versions.python_version import (
    DATA_FILE,
    AllowedVersions,
    KnownVersion,
    PythonVersion,
    RequestedPythonVersion,
    VersionStatus,
    parse_exact_version,
)

if TYPE_CHECKING:
    from buildpack.runtime.interpreter import Interpreter

COMPILED = "bytecode"
"""Marks a cached runtime whose standard library is compiled."""

PROVIDERS = ("uv", "host")
LAYOUT = 4
"""Raised when the way a runtime is laid out changes, so that cached ones are made anew."""


@value
class Runtime:
    """A relocatable Python in the cache. ``build_id`` names its exact content."""

    home: Path
    version: PythonVersion
    provider: str
    build_id: str
    reason: str
    copied_from: Path | None = None
    """The standard library of the build machine's Python this is a copy of."""
    interpreter: Path | None = None
    """That Python itself."""

    @property
    def python(self) -> Path:
        return self.home / "bin" / f"python{self.version.series}"

    @property
    def compiled(self) -> Path:
        """Is there when the standard library is compiled."""
        return self.home.parent / COMPILED


@value
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
            from buildpack.runtime.errors import UnknownProviderError

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
            "machine": os.uname().machine,
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
    outdated: Callable[[], None] = lambda: None,
) -> tuple[Runtime, bool]:
    """The runtime, and whether it came from the cache.

    ``meanwhile`` is told which Python of the build machine is copied, before it is known whether
    the copy is needed; in another thread. ``outdated`` is called before another one takes the place
    of what is in the cache.
    """
    home = request.cache_dir / "runtimes" / request.key
    cached = read_cached_runtime(home)
    if cached and request.accepts(cached.version):
        mark_used(home)
        return cached, True
    if home.exists():
        # Half-written, of a version that will not do now, or of an interpreter that has changed.
        outdated()
        remove_tree(home)
    # Imported when a Python has to be made: builds that have one are quicker without.
    from buildpack.runtime.providers import make_runtime

    make_runtime(request, home, tools, out, meanwhile)
    runtime = read_cached_runtime(home)
    assert runtime is not None
    return runtime, False


def read_cached_runtime(home: Path) -> Runtime | None:
    """The runtime published at ``home``, unless the interpreter it came from was upgraded."""
    try:
        facts = json.loads((home / "runtime.json").read_text("utf-8"))
        if facts["executable"]:
            found = Path(facts["executable"]).stat()
            if facts["stamp"] != f"{facts['executable']}:{found.st_size}:{found.st_mtime_ns}":
                return None
    except (OSError, ValueError):
        # Not there, not whole, or made from an interpreter that this build may not even look at.
        return None
    if not (home / "python").is_dir():
        return None  # a hook of the app has taken it away
    return Runtime(
        home=home / "python",
        version=parse_exact_version(facts["version"]),
        provider=facts["provider"],
        build_id=facts["build_id"],
        reason=facts["reason"],
        copied_from=Path(facts["stdlib"]) if facts["stdlib"] else None,
        interpreter=Path(facts["executable"]) if facts["executable"] else None,
    )
