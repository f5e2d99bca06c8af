"""Every Python of this machine builds and serves; and versions stay from build to build."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.environment import given
from tests.integration.support import ask, free_port
from tests.pythons import here
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).resolve().parents[2]
FLASK_APP = ROOT / "fixtures" / "flask_hello"
PASSED_ON = (
    "HOME", "TMPDIR", "PYENV_ROOT", "PIP_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX",
    "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY",
    "no_proxy",
)  # fmt: skip

pytestmark = [pytest.mark.integration, pytest.mark.network]


def run(program: str, *args: Path, **env: str) -> subprocess.CompletedProcess[str]:
    settings = given(*PASSED_ON)
    return subprocess.run(
        (str(ROOT / "bin" / program), *map(str, args)),
        env={
            "PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin",
            "SLUGKIT_PYTHON_PROVIDER": "host",
            **settings,
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def make_app(root: Path, files: Mapping[str, str]) -> Path:
    root.mkdir()
    for name, text in ({"requirements.txt": ""} | dict(files)).items():
        (root / name).write_text(text)
    return root


def facts_of(app: Path, cache: Path) -> Mapping[str, object]:
    facts = json.loads(run("report", app, cache).stdout)
    assert isinstance(facts, dict)
    return facts


def python_says(app: Path, expression: str) -> str:
    """What the app's own Python answers, started as in a container."""
    script = f'source .profile.d/python.sh; exec python -c "print({expression})"'
    return subprocess.run(
        ("bash", "-c", script), cwd=app, env={"HOME": str(app), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize("series", here(("3.10", "3.11", "3.12", "3.13")))
def test_a_web_app_is_built_and_serves_on(series: str, tmp_path: Path) -> None:
    app, port = tmp_path / "app", free_port()
    shutil.copytree(FLASK_APP, app)
    (app / ".python-version").write_text(f"{series}\n")
    # The test must not fail on the day after which 3.10 needs the switch.
    built = run("compile", app, tmp_path / "cache", SLUGKIT_ALLOW_EOL_PYTHON="1")
    assert built.returncode == 0, built.stdout + built.stderr
    assert f"Using Python {series}." in built.stdout
    moved = app.rename(tmp_path / "moved")
    assert python_says(moved, "__import__('sys').version").startswith(f"{series}.")
    script = f"source .profile.d/python.sh; exec gunicorn --bind 127.0.0.1:{port} app:app"
    server = subprocess.Popen(
        ("bash", "-c", script), cwd=moved, env={"HOME": str(moved), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: ask(port).status != 0 or server.poll() is not None)
        answer = ask(port)
        assert answer.status == 200
        assert "Hello from Flask" in answer.text
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)


def test_the_version_of_the_last_build_stays_when_nothing_asks_for_another(tmp_path: Path) -> None:
    series = here(("3.11", "3.12", "3.13"))[0]
    cache = tmp_path / "cache"
    project = f'[project]\nname = "x"\nversion = "1"\nrequires-python = "=={series}.*"\n'
    first = make_app(tmp_path / "first", {"pyproject.toml": project})
    built = run("compile", first, cache)
    assert built.returncode == 0, built.stderr
    place = "pyproject.toml:4 (requires-python)"
    assert f"({place} allows =={series}.*): a copy of" in built.stdout
    facts = facts_of(first, cache)
    assert facts["python_version_origin"] == "requires-python"
    assert facts["python_version_files"] == "pyproject.toml"
    assert facts["python_version_sources"] == f"{place}: =={series}.*"

    second = make_app(tmp_path / "second", {})
    built = run("compile", second, cache, STACK="another-1")
    assert built.returncode == 0, built.stderr
    assert f"Using Python {series}." in built.stdout
    assert "(as in the last build)" in built.stdout
    facts = facts_of(second, cache)
    assert facts["python_version_origin"] == "last build"
    assert str(facts["python_version"]).startswith(f"{series}.")
    assert len(list((cache / "runtimes").glob("*/runtime.json"))) == 1


def test_versions_that_exclude_each_other_are_both_named(tmp_path: Path) -> None:
    project = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.12"\n'
    files = {"pyproject.toml": project, ".python-version": "3.11\n"}
    app = make_app(tmp_path / "app", files)
    built = run("compile", app, tmp_path / "cache")
    assert built.returncode == 1
    assert "       .python-version:1                   3.11\n" in built.stderr
    assert "       pyproject.toml:4 (requires-python)  >=3.12\n" in built.stderr
    facts = facts_of(app, tmp_path / "cache")
    assert facts["failure_reason"] == "python-version::conflict"


def check_the_switch(series: str, tmp_path: Path) -> None:
    app = make_app(tmp_path / "app", {".python-version": f"{series}\n"})
    refused = run("compile", app, tmp_path / "cache")
    assert refused.returncode == 1
    assert f"Error: Python {series} is no longer supported" in refused.stderr
    built = run("compile", app, tmp_path / "cache", SLUGKIT_ALLOW_EOL_PYTHON="1")
    assert built.returncode == 0, built.stderr
    assert f"Warning: Python {series} has had no security fixes since" in built.stderr
    assert python_says(app, "__import__('ssl') and __import__('sys').version_info[1]") == series[2:]


if here(("3.9",)):

    def test_the_switch_builds_with_a_version_that_is_refused_without_it(tmp_path: Path) -> None:
        check_the_switch("3.9", tmp_path)
