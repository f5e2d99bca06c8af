"""The checkout on other people's platforms: herokuish, and a Cloud Native Buildpacks lifecycle."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.platforms import Herokuish, Lifecycle, Machine
from tests.integration.support import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.network]

FIXTURES = ROOT / "fixtures"

SECRET = "dj4ngo-s3cret-value"
IMPORTS = "import sys, django, gunicorn; print(sys.prefix, django.__version__)"


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    root = Path(tempfile.mkdtemp(prefix="slugkit-test-"))
    root.chmod(0o755)
    machine = Machine(root=root)
    machine.make("/tmp", "/home/cnb")
    yield machine
    shutil.rmtree(root)


def test_herokuish_builds_as_an_ordinary_user_and_moves_the_app(machine: Machine) -> None:
    herokuish = Herokuish(machine=machine)
    log = herokuish.build(FIXTURES / "django_polls", {"SECRET_KEY": SECRET})
    assert "-----> Installing Python" in log
    assert "-----> Collecting Django's static files" in log
    assert SECRET not in log
    output = herokuish.start('python -c "$PROGRAM"', PROGRAM=IMPORTS, DYNO="web.1")
    assert output.startswith("/app/.heroku/venv ")
    assert herokuish.start("gunicorn --check-config mysite.wsgi") == ""
    assert herokuish.start('echo "$PYTHONPATH $WEB_CONCURRENCY"').split()[0] == "/app"
    again = herokuish.build(FIXTURES / "django_polls", {"SECRET_KEY": SECRET})
    assert "Nothing has changed: using the packages of an earlier build." in again


def test_herokuish_gets_the_default_process_types(machine: Machine) -> None:
    source = machine.root / "source"
    shutil.copytree(FIXTURES / "flask_hello", source)
    (source / "Procfile").unlink()
    Herokuish(machine=machine).build(source, {})
    release = machine.path("/app/.release").read_text()
    assert release == (
        '---\ndefault_process_types:\n  web: "gunicorn --bind 0.0.0.0:$PORT app:app"\n'
    )


def test_a_lifecycle_detects_builds_and_launches(machine: Machine) -> None:
    lifecycle = Lifecycle(machine=machine)
    lifecycle.prepare(FIXTURES / "django_polls", {"SECRET_KEY": SECRET})
    assert lifecycle.detect() == 0
    assert lifecycle.build_plan() == {
        "provides": [{"name": "python"}],
        "requires": [{"name": "python"}],
    }
    log = lifecycle.build()
    assert SECRET not in log
    assert {p["type"]: p.get("default", False) for p in lifecycle.processes()} == {
        "release": False, "web": True, "worker": False,
    }  # fmt: skip
    assert lifecycle.layer("python")["types"] == {"launch": True, "build": True, "cache": False}
    assert lifecycle.layer("cache")["types"] == {"launch": False, "build": False, "cache": True}
    sbom = json.loads(machine.path(f"{lifecycle.LAYERS}/venv.sbom.cdx.json").read_text())
    assert "pkg:pypi/gunicorn" in str(sbom["components"])
    for name in (".heroku", ".profile.d"):
        assert not machine.path(f"/workspace/{name}").exists(), "the app's directory is the app's"
    output = lifecycle.launch(("python", "-c", IMPORTS))
    assert output.startswith("/layers/slugkit_python/venv ")
    shown = lifecycle.launch(("bash", "-c", "echo $WEB_CONCURRENCY $PYTHONPATH $PYTHONUNBUFFERED"))
    assert int(shown.split()[0]) >= 1
    assert shown.split()[1:] == ["/workspace", "true"]
    assert lifecycle.launch(("bash", "-c", "gunicorn --check-config mysite.wsgi")) == ""


def test_a_second_build_of_a_lifecycle_starts_from_the_cache(machine: Machine) -> None:
    lifecycle = Lifecycle(machine=machine)
    lifecycle.prepare(FIXTURES / "flask_hello", {})
    lifecycle.build()
    lifecycle.export_and_restore()
    lifecycle.prepare(FIXTURES / "flask_hello", {})
    log = lifecycle.build()
    assert "Nothing has changed: using the packages of an earlier build." in log
    assert lifecycle.launch(("python", "-c", "import flask; print('up')")) == "up\n"


def test_a_lifecycle_is_told_what_is_not_ours_and_what_fails(machine: Machine) -> None:
    lifecycle = Lifecycle(machine=machine)
    source = machine.root / "source"
    source.mkdir()
    (source / "index.js").touch()
    lifecycle.prepare(source, {})
    assert lifecycle.detect() == 100
    (source / "requirements.txt").write_text("flask=3\n")
    lifecycle.prepare(source, {})
    assert lifecycle.detect() == 0
    assert "requirements.txt:1: flask=3" in lifecycle.build(code=1)
