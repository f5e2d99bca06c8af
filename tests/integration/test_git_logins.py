"""Private repositories: git gets their passwords, and nobody who looks at its arguments does."""

from __future__ import annotations

import os
import shutil
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
def test_a_password_reaches_git_in_no_argument(manager: PackageManager, tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "repositories" / "private")
    seen = watched_git(tmp_path / "watched")
    (tmp_path / "app").mkdir()
    env = {
        **network_env(),
        "PATH": f"{seen.parent}:{os.environ['PATH']}",
        "WHO": "me",
        "WORD": "hush%40word",
    }
    bench = Workbench(
        directory=tmp_path,
        tools=ToolBox(directory=tmp_path / "tools", env=network_env()),
        env=env,
        installer=load_installer(manager),
    )
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
        bench.env = {**env, "WORD": "wrong"}
        shutil.rmtree(bench.directory / "cache", ignore_errors=True)
        with pytest.raises(GitError) as refused:
            bench.install()
    assert {entry.partition(" ")[0] for entry in installed(place)} == {"private==1.0"}
    assert f"http://{host_of(server)}/private" in seen.read_text()
    assert "hush" not in seen.read_text()
    assert "it wants to know who is asking" in refused.value.text()
