"""An app of a project file, installed as a build does and as the tool of that file does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from buildpack.app import App
from buildpack.installers import load_installer
from buildpack.installers.base import Install
from buildpack.package_manager import determine_package_manager
from buildpack.runtime.install import Runtime
from buildpack.settings import BuildSettings
from buildpack.tools import ToolBox
from buildpack.venv import Venv, create_venv
from buildpack.versions.python_version import PythonVersion
from tests.api.compiling import ROOT, build_env
from tests.environment import given
from tests.stories import STORIES

FIXTURES = ROOT / "fixtures"
PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
PIP = "pip==26.3"
LIST = """
import importlib.metadata as m, json, sysconfig
found = m.distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps([[d.name, d.version, d.read_text("direct_url.json")] for d in found]))
"""


class Workspace:
    """An app in a temporary directory, and virtualenvs to install it into."""

    def __init__(self, root: Path, uv_cache: Path, tools: ToolBox) -> None:
        self.root, self.uv_cache, self.tools = root, uv_cache, tools
        self.app_dir = root / "app"

    def uv(self, *words: str, cwd: Path | None = None, **env: str) -> str:
        """uv as a person would run it on a desk: with this machine's network, nothing of ours."""
        desk = ("SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "UV_DEFAULT_INDEX")
        done = subprocess.run(
            (self.tools.program("uv"), *words),
            cwd=cwd or self.app_dir,
            env={
                "HOME": str(self.root),
                "PATH": "/usr/bin:/bin",
                "UV_CACHE_DIR": str(self.uv_cache),
                "UV_PYTHON": str(PYTHON),
                "UV_PYTHON_DOWNLOADS": "never",
                **given("TMPDIR", *desk),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def copy(self, name: str) -> list[str]:
        """The fixture, with its lock file if it says how that is made; what is to be installed."""
        story = STORIES[name]
        story.copy_to(self.app_dir)
        if story.lock:
            self.uv(*story.lock[1:])
            if "-o" in story.lock:
                (self.app_dir / "uv.lock").unlink()
        return list(story.installed)

    def write(self, **texts: str) -> None:
        self.app_dir.mkdir(exist_ok=True)
        for name, text in texts.items():
            (self.app_dir / name.replace("__", ".")).write_text(text)

    def install(self, settings: BuildSettings | None = None, **env: str) -> Venv:
        """As the buildpack does, without what it does to every virtualenv afterwards."""
        app, chosen = App(root=self.app_dir), settings or BuildSettings()
        installer = load_installer(determine_package_manager(app, chosen))
        dependencies = installer.read(app, chosen, {})
        where = self.root / "ours"
        (where / "scratch").mkdir(parents=True)
        version = _this_version()
        home = where / "python"
        home.symlink_to(PYTHON.parent.parent)
        venv = create_venv(where / "venv", version, home=PYTHON.parent)
        runtime = Runtime(home=home, version=version, provider="host", build_id="x", reason="x")
        lines: list[str] = []
        installer.install(
            dependencies,
            Install(
                uv=self.tools.program("uv"),
                venv=venv,
                app_dir=self.app_dir,
                scratch_dir=where / "scratch",
                cache_dir=self.uv_cache.parent,
                env={**build_env(), **env},
                runtime=runtime,
                tools=self.tools,
            ),
            lines.append,
        )
        return venv

    def pip(self, *words: str) -> Path:
        """A virtualenv that pip filled, started from another one."""
        self.uv("venv", "-q", str(self.root / "pip"), cwd=self.root)
        self.uv("pip", "install", "-q", "--python", str(self.root / "pip"), PIP, cwd=self.root)
        self.uv("venv", "-q", str(self.root / "theirs"), cwd=self.root)
        python = self.root / "theirs" / "bin" / "python"
        argv = (self.root / "pip/bin/python", "-m", "pip", "--python", python, "install", "-q")
        env = {**build_env(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            (*argv, *words), cwd=self.app_dir, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return python

    def uv_sync(self, *words: str) -> Path:
        theirs = self.root / "theirs"
        self.uv("sync", "-q", *words, UV_PROJECT_ENVIRONMENT=str(theirs))
        return theirs / "bin" / "python"


def _this_version() -> PythonVersion:
    major, minor, patch = sys.version_info[:3]
    return PythonVersion(major=major, minor=minor, patch=patch)


def distributions(python: Path) -> list[tuple[str, str, object]]:
    """Name, version and direct_url.json of all that is installed."""
    done = subprocess.run((python, "-I", "-c", LIST), capture_output=True, check=True, timeout=30)
    found = json.loads(done.stdout)
    return sorted((name.lower(), version, url and json.loads(url)) for name, version, url in found)


def names(found: Sequence[tuple[str, str, object]]) -> list[str]:
    return [f"{name}=={version}" for name, version, _ in found]
