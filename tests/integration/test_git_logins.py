"""Private repositories: git gets their passwords, and nobody who looks at its arguments does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from buildpack.installers import load_installer
from buildpack.installers.diagnosis.network_errors import GitError
from buildpack.package_manager import PackageManager
from buildpack.tools import ToolBox
from tests.git_server import git, host_of, serving
from tests.integration.fake_index import make_project
from tests.integration.installing import Workbench, installed, network_env

pytestmark = [pytest.mark.integration, pytest.mark.network]

PASSWORD = "hush@word"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """An app whose git writes down its commands."""
    seen = watched_git(tmp_path / "watched")
    (tmp_path / "app").mkdir()
    return Workbench(
        directory=tmp_path,
        tools=ToolBox(directory=tmp_path / "tools", env=network_env()),
        env={
            **network_env(),
            "PATH": f"{seen.parent}:{os.environ['PATH']}",
            "WHO": "me",
            "WORD": "hush%40word",
        },
        installer=load_installer(PackageManager.PIP),
    )


def make_repository(directory: Path) -> str:
    """A repository with a package; its commit."""
    make_project(directory, "private")
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "One")
    return git(directory, "rev-parse", "HEAD")


def watched_git(directory: Path) -> Path:
    """A program ``git`` that writes down every command it runs; the file it writes."""
    directory.mkdir()
    seen = directory / "commands"
    program = directory / "git"
    program.write_text(f'#!/bin/sh\nGIT_TRACE={seen} exec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    return seen


@pytest.mark.parametrize(
    "manager", [PackageManager.PIP, PackageManager.PIPENV, PackageManager.PIP_TOOLS]
)
def test_a_password_reaches_git_in_no_argument(
    manager: PackageManager, bench: Workbench, tmp_path: Path
) -> None:
    commit = make_repository(tmp_path / "repositories" / "private")
    bench.installer = load_installer(manager)
    with serving(tmp_path / "repositories", user="me", password=PASSWORD) as server:
        url = f"http://${{WHO}}:${{WORD}}@{host_of(server)}/private"
        entry = f'{{"editable": true, "git": "{url}", "ref": "{commit}"}}'
        (bench.app.root / "Pipfile.lock").write_text(f'{{"default": {{"private": {entry}}}}}')
        line = f"private @ git+{url}@{commit}\n"
        bench.write(requirements_txt=line, requirements_in=line)
        place = bench.install()
        offered = place.venv.root / "requirements.txt"
        if manager == PackageManager.PIP_TOOLS:  # to be committed: with the variables, as it was
            lines = offered.read_text().splitlines()
            assert line.rstrip() in lines
            assert "    # via -r requirements.in" in lines
        bench.env = {**bench.env, "WORD": "wrong"}
        shutil.rmtree(bench.directory / "cache", ignore_errors=True)
        with pytest.raises(GitError) as refused:
            bench.install()
    assert {entry.partition(" ")[0] for entry in installed(place)} == {"private==1.0"}
    assert_untold(tmp_path, f"http://{host_of(server)}/private")
    assert "it wants to know who is asking" in refused.value.text()


def assert_untold(tmp_path: Path, url: str) -> None:
    """git was at the URL, and in none of its commands was the password."""
    commands = (tmp_path / "watched" / "commands").read_text()
    assert url in commands
    assert "hush" not in commands


PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.9"\n'
DIRECT = PROJECT + 'dependencies = ["private @ git+{url}"]\n'
SOURCES = PROJECT + 'dependencies = ["private"]\n[tool.uv.sources]\nprivate = {{ git = "{url}" }}\n'
VCS = (
    'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "private"\n'
    'vcs = {{ type = "git", url = "{url}", commit-id = "{commit}" }}\n'
)
SCRIPT = (
    '# /// script\n# dependencies = ["private"]\n# [tool.uv.sources]\n'
    '# private = {{ git = "{url}" }}\n# ///\n'
)


@pytest.mark.parametrize(
    ("manager", "name", "text"),
    [
        (PackageManager.PYPROJECT, "pyproject.toml", DIRECT),
        (PackageManager.UV, "pyproject.toml", SOURCES),
        (PackageManager.PYLOCK, "pylock.toml", VCS),
        (PackageManager.SCRIPT, "main.py", SCRIPT),
    ],
)
def test_a_password_in_a_toml_file_reaches_git_in_no_argument(
    manager: PackageManager, name: str, text: str, bench: Workbench, tmp_path: Path
) -> None:
    commit = make_repository(tmp_path / "repositories" / "private")
    bench.installer = load_installer(manager)
    with serving(tmp_path / "repositories", user="me", password=PASSWORD) as server:
        host = host_of(server)
        path = bench.app.root / name
        path.write_text(text.format(url=f"http://me:hush%40word@{host}/private", commit=commit))
        if manager == PackageManager.UV:
            uv = bench.tools.program("uv")
            argv = (uv, "lock", "-q", "--project", str(bench.app.root))
            subprocess.run(argv, env=network_env(), check=True, timeout=60)
        before = {file: file.read_bytes() for file in bench.app.root.iterdir()}
        place = bench.install()
    assert {entry.partition(" ")[0] for entry in installed(place)} == {"private==1.0"}
    assert_untold(tmp_path, f"http://{host}/private")
    assert {file: file.read_bytes() for file in bench.app.root.iterdir()} == before
    metadata = [x.read_text() for x in place.venv.site_packages.glob("*.dist-info/*.json")]
    assert "hush" not in "".join(metadata)


def test_a_password_in_a_constraint_of_pip_tools_reaches_git_in_no_argument(
    bench: Workbench, tmp_path: Path
) -> None:
    commit = make_repository(tmp_path / "repositories" / "private")
    bench.installer = load_installer(PackageManager.PIP_TOOLS)
    with serving(tmp_path / "repositories", user="me", password=PASSWORD) as server:
        line = f"private @ git+http://${{WHO}}:${{WORD}}@{host_of(server)}/private@{commit}"
        bench.write(
            requirements_in="private\n",
            limits_txt=f"-c more.txt\n{line}\n",
            more_txt="flask<4\n",
            pyproject_toml='[tool.pip-tools]\nconstraint = ["limits.txt"]\n',
        )
        place = bench.install()
    assert {entry.partition(" ")[0] for entry in installed(place)} == {"private==1.0"}
    assert line in (place.venv.root / "requirements.txt").read_text().splitlines()
    assert_untold(tmp_path, f"http://{host_of(server)}/private")
