"""The pytest plugin, as the suite of an app uses it: pytest is run on the guide's example."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.environment import given
from tests.integration.build_support import make_app

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "api.md").read_text()
pytestmark = [pytest.mark.integration, pytest.mark.embedded]


@pytest.fixture
def home(open_dir: Path) -> Path:
    return open_dir


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The guide's app, its settings and its tests."""
    project = make_app(tmp_path / "project", **{"index.html": "<h1>{{title}}</h1>\n"})
    shutil.copytree(ROOT / "fixtures" / "buildpacks" / "static", project / "static")
    settings = re.search(r"^```toml\n(.*?)^```", GUIDE, re.M | re.S)
    tests = re.search(r"^```python pytest\n(.*?)^```", GUIDE, re.M | re.S)
    assert settings
    assert tests
    (project / "pyproject.toml").write_text(settings[1])
    (project / "test_site.py").write_text(tests[1])
    return project


def run_pytest(
    project: Path, home: Path, *words: str, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and output, with every warning an error."""
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-ra", *words),
        cwd=project,
        env={
            **given(),
            "PYTHONPATH": os.fspath(ROOT),
            "SLUGKIT_HOME": os.fspath(home / "home"),
            **(env or {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def passed(said: str) -> str:
    return re.sub(r" in [\d.]+s.*", "", said.splitlines()[-1]).strip("= ")


def test_the_plugin_is_installed() -> None:
    assert [(each.name, each.value) for each in entry_points(group="pytest11", name="slugkit")] == [
        ("slugkit", "runner.pytest_plugin")
    ]


def test_the_guides_example_passes(project: Path, home: Path) -> None:
    code, said = run_pytest(project, home, "-q")
    assert (code, passed(said)) == (0, "2 passed"), said
    assert [each.name for each in (home / "home" / "run").iterdir()] == [".lock"]


def test_processes_of_xdist_share_slugs_and_no_port(project: Path, home: Path) -> None:
    (project / "test_site.py").write_text(
        "from urllib.request import urlopen\nimport os, pytest, time\n\n\n"
        "@pytest.mark.parametrize('number', range(6))\n"
        "def test_page(slugkit_url, slugkit_build, tmp_path_factory, number):\n"
        "    assert b'<h1>' in urlopen(slugkit_url).read()\n"
        "    print(slugkit_url, slugkit_build().path)\n"
        "    time.sleep(0.3)\n"
    )
    code, said = run_pytest(project, home, "-q", "-n2", "-rP")
    assert (code, passed(said)) == (0, "6 passed"), said
    found = set(re.findall(r"^(http\S+) (/\S+\.slug)$", said, re.M))
    assert len({url for url, _ in found}) == 2
    assert len({slug for _, slug in found}) == 1


def test_the_same_question_is_answered_once(project: Path, home: Path) -> None:
    (project / "test_site.py").write_text(
        "def test_once(slugkit_build, slugkit_serve, slugkit_url):\n"
        "    assert slugkit_build().path == slugkit_build(source='.').path\n"
        "    assert slugkit_serve() is slugkit_serve(slugkit_build())\n"
        "    assert slugkit_serve().url == slugkit_url\n"
        "    assert slugkit_serve(config_vars={'A': 'b'}).url != slugkit_url\n"
    )
    code, said = run_pytest(project, home, "-q")
    assert (code, passed(said)) == (0, "1 passed"), said


@pytest.fixture
def no_programs(tmp_path: Path) -> dict[str, str]:
    """An environment where Docker is nowhere to be found."""
    (tmp_path / "empty").mkdir()
    return {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}


def test_tests_are_skipped_with_the_reason_where_no_engine_runs(
    project: Path, home: Path, no_programs: dict[str, str]
) -> None:
    code, said = run_pytest(project, home, "-q", "--slugkit-engine", "docker", env=no_programs)
    assert (code, passed(said)) == (0, "2 skipped"), said
    assert "slugkit: The docker engine cannot run here" in said


def test_they_fail_where_an_engine_is_required(
    project: Path, home: Path, no_programs: dict[str, str]
) -> None:
    words = ("-q", "--slugkit-engine", "docker", "--slugkit-require")
    code, said = run_pytest(project, home, *words, env=no_programs)
    assert code == 1, said
    assert "slugkit: The docker engine cannot run here" in said
    assert "Traceback" not in said


def test_what_is_wrong_with_the_app_fails_in_our_words(project: Path, home: Path) -> None:
    code, said = run_pytest(project, home, "-q", "--slugkit-app", "nowhere")
    assert code == 1, said
    assert f"slugkit: There is no source at {project}/nowhere" in said
    assert "another exception" not in said  # the same words a second time
    assert "runner/pytest_plugin.py" not in said


def test_a_suite_that_asks_for_nothing_imports_nothing(project: Path, home: Path) -> None:
    (project / "test_site.py").write_text(
        "import sys\n\n\ndef test_nothing():\n"
        "    ours = ('runner', 'slugc', 'buildpack')\n"
        "    found = {each for each in sys.modules if each.partition('.')[0] in ours}\n"
        "    assert found == {'runner', 'runner.pytest_plugin'}\n"
    )
    code, said = run_pytest(project, home, "-q", "--strict-config", "--strict-markers")
    assert (code, passed(said)) == (0, "1 passed"), said
