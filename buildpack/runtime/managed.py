"""Provider 1: the builds of python-build-standalone, downloaded and checked by uv."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildpack.runtime.interpreter import Interpreter, probe
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, capture

PASSED_ON = (
    "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProviderFailure:
    """Why a provider could not deliver."""

    provider: str
    reason: str
    is_unknown_version: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedBuilds:
    """uv's managed Pythons, installed below ``directory`` only to be copied from there."""

    uv: Path
    env: Mapping[str, str]
    directory: Path

    def install(self, wanted: str) -> Interpreter | ProviderFailure:
        """Fetch ``wanted`` ("3.13" or "3.13.1")."""
        target = self.directory / "managed"
        target.mkdir(parents=True, exist_ok=True)
        try:
            capture(self.command(wanted, target))
        except (CommandFailedError, CommandTimeoutError) as err:
            reason = explain(err)
            if "No download found" in reason:
                return ProviderFailure(
                    "uv", f"uv knows no Python {wanted}", is_unknown_version=True
                )
            return ProviderFailure("uv", f"Python {wanted}: {reason}")
        for home in sorted(target.glob(f"cpython-{wanted}*")):
            if home.is_symlink():
                continue
            series = ".".join(wanted.split(".")[:2])
            found = probe(home / "bin" / f"python{series}", "uv's managed build")
            if found:
                return found
        return ProviderFailure("uv", "the download holds no Python that runs here")

    def command(self, wanted: str, target: Path) -> Command:
        """``uv python install``, told to give up soon: there is another provider to ask."""
        env = {name: self.env[name] for name in PASSED_ON if name in self.env}
        env |= {
            "PATH": "/usr/bin:/bin",
            "UV_CACHE_DIR": str(self.directory.parent / "uv"),
            "UV_HTTP_CONNECT_TIMEOUT": "5",
            "UV_HTTP_TIMEOUT": "20",
            # uv already asks two hosts, its own mirror and GitHub; a retry only adds a second.
            "UV_HTTP_RETRIES": "0",
            "UV_NO_CONFIG": "1",
            "UV_SYSTEM_CERTS": "1",
        }
        argv = (str(self.uv), "python", "install", "--no-bin", "--no-progress", "--color", "never")
        return Command(
            argv=(*argv, "--install-dir", str(target), wanted),
            cwd=Path(os.sep),
            env=env,
            timeout=300,
            title=f"uv python install {wanted}",
        )


def explain(err: CommandFailedError | CommandTimeoutError) -> str:
    """One line saying why uv could not deliver."""
    if isinstance(err, CommandTimeoutError):
        return "the download took longer than 300 seconds"
    causes = [line.partition("cause:")[2].strip() for line in err.last_lines if "cause:" in line]
    if causes:
        where = next((c for c in causes if c.startswith("Failed to download")), "")
        host = where.partition("://")[2].partition("/")[0]
        return f"{host + ': ' if host else ''}{causes[-1]}"
    return err.last_lines[-1] if err.last_lines else "uv failed without a word"
