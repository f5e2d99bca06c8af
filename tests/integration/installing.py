"""Installs an app's requirements with our installers alone: no runtime copied, no slug written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildpack.app import App
from buildpack.installers.base import Dependencies, Install, Installer
from buildpack.runtime.install import Runtime
from buildpack.settings import BuildSettings
from buildpack.tools import ToolBox
from buildpack.venv import create_venv
from buildpack.versions.python_version import PythonVersion
from tests.environment import given

VERSION = PythonVersion(
    major=sys.version_info[0], minor=sys.version_info[1], patch=sys.version_info[2]
)
NETWORK = (
    "PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "PIP_CERT", "HTTPS_PROXY", "https_proxy", "NO_PROXY",
)  # fmt: skip
INDEX = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


def network_env(*, index: bool = True) -> dict[str, str]:
    """What a build needs of the environment of the tests; with the machine's own index or not."""
    names = (*NETWORK, *(INDEX if index else ()))
    return given(*names)


@dataclass(slots=True, kw_only=True)
class Workbench:
    """One app and one cache; every ``install`` goes into a virtualenv of its own."""

    directory: Path
    tools: ToolBox
    env: Mapping[str, str]
    installer: Installer
    settings: BuildSettings = field(default_factory=BuildSettings)
    log: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def app(self) -> App:
        return App(root=self.directory / "app")

    def write(self, **files: str) -> None:
        """Files of the app; ``a__b_txt`` is a/b.txt."""
        for name, text in files.items():
            path = self.app.root / name.replace("__", "/").replace("_txt", ".txt").replace(
                "_in", ".in"
            ).replace("_toml", ".toml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def read(self) -> Dependencies:
        return self.installer.read(self.app, self.settings, self.env)

    def place(self) -> Install:
        """A fresh virtualenv, as the core makes one."""
        self.count += 1
        home = self.directory / f"venv-{self.count}"
        base = Path(sys.base_prefix) / "bin" / f"python{VERSION.series}"
        (home / "python" / "bin").mkdir(parents=True)
        (home / "python" / "bin" / base.name).symlink_to(base)
        (home / "scratch").mkdir()
        return Install(
            uv=self.tools.program("uv"),
            venv=create_venv(home / "venv", VERSION, home=base.parent),
            app_dir=self.app.root,
            scratch_dir=home / "scratch",
            cache_dir=self.directory / "cache",
            env=self.env,
            runtime=Runtime(
                home=home / "python", version=VERSION, provider="host", build_id="t", reason=""
            ),
            tools=self.tools,
        )

    def install(self) -> Install:
        """Read and install; what was printed is in ``log``."""
        self.log.clear()
        place = self.place()
        self.installer.install(self.read(), place, self.log.append)
        return place


def installed(place: Install) -> set[str]:
    """``name==version`` of everything in the virtualenv, with where it came from if it is told."""
    return {_described(info) for info in place.venv.site_packages.glob("*.dist-info")}


def _described(info: Path) -> str:
    name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
    direct = info / "direct_url.json"
    url = json.loads(direct.read_text())["url"] if direct.exists() else ""
    return f"{name.lower().replace('_', '-')}=={version}" + (f" from {url}" if url else "")


def git(directory: Path, *words: str) -> None:
    """Run git, as nobody in particular."""
    names = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    argv = ("git", "-C", str(directory), *names, *words)
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
