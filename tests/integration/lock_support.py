"""Real Pipenv, Poetry and PDM, and virtualenvs filled by them and by us, to be compared."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from buildpack.app import App
from buildpack.installers import load_installer
from buildpack.installers.base import Install
from buildpack.package_manager import PackageManager
from buildpack.runtime.install import Runtime
from buildpack.settings import BuildSettings
from buildpack.tools import ToolBox
from buildpack.venv import Venv, create_venv
from buildpack.versions.python_version import PythonVersion
from tests.api.compiling import ROOT, build_env
from tests.environment import given
from tests.pythons import here, newest, python_of

FIXTURES = ROOT / "fixtures"
PINNED = {
    "pipenv": "pipenv==2026.10.3",
    "poetry": "poetry==2.5.1",
    "pdm": "pdm[locked]==2.29.3",
}
PYTHONS = here(("3.10", "3.13")) or [newest()]
LIST = """
import importlib.metadata as m, json, sysconfig
found = m.distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps([[d.name, d.version, d.read_text("direct_url.json")] for d in found]))
"""
Found = tuple[str, str, str]


def installed(python: Path) -> set[Found]:
    """Name, version and origin of everything in a virtualenv.

    An origin is a URL, the commit where it is Git's, the subdirectory, and "editable". Not what a
    tool calls the revision that was asked for: a branch to one, its commit to another.
    """
    done = subprocess.run((python, "-c", LIST), capture_output=True, check=True, timeout=30)
    found = set()
    for name, version, text in json.loads(done.stdout):
        origin = json.loads(text) if text else {}
        words = (
            origin.get("url", "").rstrip("/"),
            origin.get("vcs_info", {}).get("commit_id", ""),
            origin.get("subdirectory", ""),
            "editable" if origin.get("dir_info", {}).get("editable") else "",
        )
        found.add((re.sub(r"[-_.]+", "-", name).lower(), version, " ".join(filter(None, words))))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One app, and virtualenvs beside it."""

    root: Path
    tools_dir: Path
    tools: ToolBox

    @property
    def app_dir(self) -> Path:
        return self.root / "app"

    def copy(self, name: str) -> Path:
        shutil.copytree(FIXTURES / name, self.app_dir)
        return self.app_dir

    def program(self, name: str) -> Path:
        """A pinned tool in an environment of its own, installed on first use."""
        home = self.tools_dir / name
        if not home.exists():
            python = str(python_of(newest()))
            self.run(
                str(self.tools.program("uv")), "venv", "-q", "--clear", "-p", python, str(home)
            )
            words = ("pip", "install", "-q", "--python", str(home), PINNED[name])
            self.run(str(self.tools.program("uv")), *words)
        return home / "bin" / name

    def run(self, *argv: str, venv: Path | None = None, **env: str) -> str:
        """A tool as a person runs it on a desk, in an activated virtualenv if one is given."""
        passed = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY")
        active = {"VIRTUAL_ENV": str(venv)} if venv else {}
        done = subprocess.run(
            argv,
            cwd=self.app_dir if self.app_dir.exists() else self.root,
            env={
                **given("PATH", "TMPDIR", *passed),
                "HOME": str(self.tools_dir),
                "PIPENV_NOSPIN": "1",
                "PIPENV_VERBOSITY": "-1",
                "PIPENV_IGNORE_VIRTUALENVS": "0" if venv else "1",
                "PIPENV_PIPFILE": str(self.app_dir / "Pipfile"),
                "POETRY_SYSTEM_GIT_CLIENT": "true",
                "PDM_CHECK_UPDATE": "false",
                "UV_CACHE_DIR": str(self.tools_dir / "cache" / "uv"),
                **active,
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def desk_venv(self, series: str) -> Path:
        """An empty virtualenv for the tool itself."""
        home = self.root / f"desk-{series}"
        python = str(python_of(series))
        self.run(str(self.tools.program("uv")), "venv", "-q", "--clear", "-p", python, str(home))
        return home

    def tool_installs(self, series: str, name: str, *words: str, **env: str) -> set[Found]:
        """What the tool installs with these words."""
        venv = self.desk_venv(series)
        self.run(str(self.program(name)), *words, venv=venv, **env)
        return installed(venv / "bin" / "python")

    def we_install(
        self,
        series: str,
        manager: PackageManager,
        settings: BuildSettings | None = None,
        **env: str,
    ) -> set[Found]:
        """What we install from the same files."""
        return installed(self.our_venv(series, manager, settings, **env).python)

    def our_venv(
        self,
        series: str,
        manager: PackageManager,
        settings: BuildSettings | None = None,
        **env: str,
    ) -> Venv:
        installer = load_installer(manager)
        whole_env = build_env(**env)
        found = installer.read(App(root=self.app_dir), settings or BuildSettings(), whole_env)
        python, where = python_of(series), self.root / f"ours-{series}"
        (where / "scratch").mkdir(parents=True)
        (where / "python").symlink_to(python.parent.parent)
        version = parse_version(python)
        runtime = Runtime(
            home=where / "python", version=version, provider="host", build_id="x", reason="x"
        )
        install = Install(
            uv=self.tools.program("uv"),
            venv=create_venv(where / "venv", version, home=python.parent),
            app_dir=self.app_dir,
            scratch_dir=where / "scratch",
            cache_dir=self.tools_dir / "cache",
            env=whole_env,
            runtime=runtime,
            tools=self.tools,
        )
        installer.install(found, install, lambda line: None)
        return install.venv


def parse_version(python: Path) -> PythonVersion:
    words = (python, "-c", "import sys; print(*sys.version_info[:3])")
    text = subprocess.run(words, capture_output=True, check=True, text=True, timeout=30).stdout
    major, minor, patch = map(int, text.split())
    return PythonVersion(major=major, minor=minor, patch=patch)


@contextmanager
def git_repository(directory: Path, name: str, version: str) -> Iterator[tuple[str, str]]:
    """A repository with a package in its directory ``pkg``, served by HTTP: its URL, a commit."""
    shutil.copytree(FIXTURES / "pdm_basic" / "libs" / "greeting", directory / "pkg")
    (directory / "pkg" / "greeting").rename(directory / "pkg" / name)
    project = directory / "pkg" / "pyproject.toml"
    text = project.read_text().replace('"greeting"', f'"{name}"').replace("0.2", version)
    project.write_text(text)
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        (*who, "commit", "-q", "-m", "One"),
        ("update-server-info",),
    ):
        subprocess.run(("git", *words), cwd=directory, check=True, timeout=30)
    asked = ("git", "rev-parse", "HEAD")
    commit = subprocess.run(asked, cwd=directory, check=True, capture_output=True, text=True)
    with serving_files(directory) as url:
        yield f"{url}/.git", commit.stdout.strip()


@contextmanager
def serving_files(directory: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def replace_in(path: Path, changes: Mapping[str, str]) -> None:
    """Change a file of the app; every text to be replaced must be there."""
    text = path.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
