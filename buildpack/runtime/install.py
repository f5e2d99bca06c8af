"""Puts the requested Python into the cache, from the first provider that can deliver it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildpack.python_version import (
    DATA_FILE,
    KnownVersion,
    PythonVersion,
    RequestedPythonVersion,
    VersionStatus,
    parse_exact_version,
)
from buildpack.runtime.errors import (
    PythonUnavailableError,
    RuntimeBrokenError,
    UnknownProviderError,
)
from buildpack.runtime.interpreter import Interpreter, find_interpreters
from buildpack.runtime.managed import ManagedBuilds, ProviderFailure
from buildpack.runtime.relocate import Relocator
from buildpack.support import files
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, capture
from buildpack.support.output import Output
from buildpack.tools import ToolBox, tool_versions

PROVIDERS = ("uv", "host")
LAYOUT = 4
"""Raised when the way a runtime is laid out changes, so that cached ones are made anew."""

PROOF = """\
import sys, zlib, ssl, sqlite3, ctypes, hashlib, json, sysconfig
hashlib.sha256(b""); sysconfig.get_config_vars()
print(json.dumps([sys.version.split()[0], sys.prefix]))
"""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRequest:
    """Which Python is wanted, and everything that decides where it comes from."""

    requested: RequestedPythonVersion | None
    known: Mapping[str, KnownVersion]
    env: Mapping[str, str]
    cache_dir: Path

    @property
    def providers(self) -> tuple[str, ...]:
        chosen = self.env.get("SLUGKIT_PYTHON_PROVIDER", "")
        if chosen and chosen not in PROVIDERS:
            raise UnknownProviderError(chosen)
        return (chosen,) if chosen else PROVIDERS

    @property
    def series(self) -> tuple[str, ...]:
        """The minor versions that would do, the best first."""
        if self.requested:
            return (self.requested.series,)
        return tuple(v.series for v in self.known.values() if v.status is VersionStatus.STABLE)

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


def install_runtime(request: RuntimeRequest, tools: ToolBox, out: Output) -> tuple[Runtime, bool]:
    """The runtime, and whether it came from the cache."""
    home = request.cache_dir / "runtimes" / request.key
    cached = read_cached_runtime(home)
    if cached:
        return cached, True
    if home.exists():
        files.remove_tree(home)  # Half-written, or made from an interpreter that has changed since.
    tools.prefetch()
    failures: list[ProviderFailure] = []
    for interpreter, provider, reason in _offers(request, tools, failures, out):
        try:
            with files.publishing_dir(home) as temporary:
                _build(interpreter, temporary, provider, reason, tools)
        except RuntimeBrokenError as err:
            failures.append(ProviderFailure(provider, f"{interpreter.label}: {err.reason}"))
            out.info(f"Passed over {interpreter.label}: {err.reason}")
            continue
        finally:
            files.remove_tree(request.cache_dir / "runtimes" / "managed")
        runtime = read_cached_runtime(home)
        assert runtime is not None
        return runtime, False
    raise PythonUnavailableError(
        request.requested, failures, available_versions(request), request.series
    )


def _offers(
    request: RuntimeRequest, tools: ToolBox, failures: list[ProviderFailure], out: Output
) -> Iterator[tuple[Interpreter, str, str]]:
    """Interpreters to copy, best first, each with its provider and why it was chosen."""
    for provider in request.providers:
        if provider == "uv":
            managed = ManagedBuilds(
                uv=tools.program("uv"), env=request.env, directory=request.cache_dir / "runtimes"
            )
            found = _first_managed(managed, request)
            if isinstance(found, Interpreter):
                yield found, "uv", "a managed build, downloaded by uv"
            else:
                failures.append(found)
                out.info(f"No managed build: {found.reason}")
            continue
        for series in request.series:
            for interpreter in find_interpreters(series, request.env, requested=request.requested):
                yield interpreter, "host", f"a copy of {interpreter.label} on the build machine"
        failures.append(ProviderFailure("host", "no suitable Python on the build machine"))


def _first_managed(
    managed: ManagedBuilds, request: RuntimeRequest
) -> Interpreter | ProviderFailure:
    """The best managed build there is; only "no such version" is a reason to ask for another."""
    wanted = [str(request.requested)] if request.requested else request.series
    failure = ProviderFailure("uv", "no version was asked for")
    for version in wanted:
        found = managed.install(version)
        if isinstance(found, Interpreter):
            return found
        failure = found
        if not found.is_unknown_version:
            break
    return failure


def available_versions(request: RuntimeRequest) -> Sequence[PythonVersion]:
    """What the build machine could offer instead, newest first."""
    accepted = (v.series for v in request.known.values() if v.status is not VersionStatus.EOL)
    versions = {
        interpreter.version
        for series in accepted
        for interpreter in find_interpreters(series, request.env, requested=None)
    }
    return sorted(versions, reverse=True)


def _build(
    interpreter: Interpreter, temporary: Path, provider: str, reason: str, tools: ToolBox
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    home = temporary / "python"
    strip = shutil.which("strip", path="/usr/bin:/bin")
    Relocator(
        interpreter=interpreter,
        target=home,
        patchelf=tools.program("patchelf"),
        strip=Path(strip) if strip else None,
    ).run()
    with ThreadPoolExecutor(1) as pool:
        build_id = pool.submit(tree_digest, home)
        prove(home, interpreter.version)
    facts = {
        "version": str(interpreter.version),
        "provider": provider,
        "reason": reason,
        "build_id": build_id.result(),
        "stamp": interpreter.stamp if provider == "host" else "",
        "executable": str(interpreter.executable) if provider == "host" else "",
        "stdlib": str(interpreter.stdlib) if provider == "host" else "",
    }
    files.write_atomically(temporary / "runtime.json", json.dumps(facts, sort_keys=True))


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


def prove(home: Path, version: PythonVersion) -> None:
    """Run the copy once; an interpreter that cannot import the basics is not delivered."""
    command = Command(
        argv=(str(home / "bin" / f"python{version.series}"), "-I", "-S", "-B", "-c", PROOF),
        cwd=Path("/"),
        env={"LC_ALL": "C.UTF-8"},
        timeout=30,
    )
    try:
        found, prefix = json.loads(capture(command))
    except CommandFailedError as err:
        raise RuntimeBrokenError(err.last_lines[-1] if err.last_lines else str(err)) from err
    except CommandTimeoutError as err:
        raise RuntimeBrokenError("it did not answer within 30 seconds") from err
    if found != str(version) or Path(prefix) != home:
        raise RuntimeBrokenError(f"the copy says it is Python {found} in {prefix}")


def tree_digest(root: Path) -> str:
    """sha256 over names, kinds and contents; the same tree gives the same digest anywhere."""
    digest = hashlib.sha256()
    for directory, names, filenames in os.walk(root):
        names.sort()
        for name in sorted(filenames):
            path = Path(directory, name)
            digest.update(f"{path.relative_to(root)}\0".encode())
            if path.is_symlink():
                digest.update(f"link {path.readlink()}\0".encode())
            else:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
