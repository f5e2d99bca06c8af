"""SLUGKIT_TRIM for real: apps that had everything left out still work, and weigh less."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildpack.sizes.trim import Trim
from tests.api.compiling import ROOT, built, compile_app, run_python, tree
from tests.integration.support import Answer, ask, free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.network]

ALL = ",".join(Trim)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trim")


@pytest.fixture(scope="module")
def scientific(place: Path) -> Path:
    source = ROOT / "fixtures" / "scientific"
    return built(source, place / "scientific", place / "cache", SLUGKIT_TRIM=ALL)


@pytest.fixture(scope="module")
def django_polls(place: Path) -> Path:
    source = ROOT / "fixtures" / "django_polls"
    return built(source, place / "django", place / "cache", SLUGKIT_TRIM=ALL)


@contextmanager
def served(app: Path, target: str) -> Iterator[int]:
    """gunicorn with what the app brought, and nothing of this process."""
    port = free_port()
    argv = (app / ".heroku/venv/bin/gunicorn", "--bind", f"127.0.0.1:{port}", target)
    env = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(argv, cwd=app, env=env, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answer(port: int) -> Answer:
    until(lambda: ask(port).status != 0)
    return ask(port)


def suffixes(app: Path) -> set[str]:
    return {path.suffix for path in (app / ".heroku").rglob("*") if path.is_file()}


def test_numpy_and_pandas_work_without_what_was_left_out(scientific: Path) -> None:
    assert not suffixes(scientific) & {".pyc", ".pyi", ".h", ".pyx", ".pxd"}
    site_packages = next((scientific / ".heroku/venv/lib").glob("python3.*/site-packages"))
    assert not [path for path in site_packages.rglob("tests") if path.is_dir()]
    code = (
        "import importlib.metadata as m, numpy, numpy.testing, pandas, pandas.testing; "
        "frame = pandas.DataFrame({'a': ['x', 'x', 'y'], 'b': [1, 2, 3]}); "
        "print(frame.groupby('a').b.sum().to_dict(), numpy.linalg.det(numpy.eye(3)), "
        "all(f.locate().exists() for f in m.files('pandas') if f.suffix == '.py'))"
    )
    assert run_python(scientific, "-B", "-c", code) == "{'x': 3, 'y': 3} 1.0 True\n"


def test_the_scientific_app_answers(scientific: Path) -> None:
    with served(scientific, "report:application") as port:
        found = answer(port)
    assert (found.status, "Readings by station" in found.text) == (200, True)


def test_django_works_without_what_was_left_out(django_polls: Path) -> None:
    assert not suffixes(django_polls) & {".pyc", ".po", ".h"}
    code = (
        "import django; from django.conf import settings; "
        "settings.configure(LANGUAGE_CODE='de', USE_I18N=True); django.setup(); "
        "from django.utils.translation import gettext; print(gettext('Yes'))"
    )
    assert run_python(django_polls, "-B", "-c", code) == "Ja\n"
    done = subprocess.run(
        (django_polls / ".heroku/venv/bin/python", "-B", "manage.py", "check"),
        cwd=django_polls, env={}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "System check identified no issues (0 silenced).\n"
    with served(django_polls, "mysite.wsgi") as port:
        assert "Hello from Django" in answer(port).text


def test_the_same_choice_gives_the_same_bytes_and_is_kept(scientific: Path, place: Path) -> None:
    source = ROOT / "fixtures" / "scientific"
    again = place / "again"
    shutil.copytree(source, again)
    done = compile_app(again, place / "cache", SLUGKIT_TRIM="po, headers,types,pycache tests")
    assert "Left out, as SLUGKIT_TRIM says: tests, pycache, types, headers, po.\n" in done.stdout
    assert ": using the packages of an earlier build.\n" in done.stdout
    assert tree(again) == tree(scientific)
    elsewhere = built(source, place / "deeper/x", place / "other-cache", SLUGKIT_TRIM=ALL)
    assert tree(elsewhere) == tree(scientific)


def test_another_choice_is_another_environment(scientific: Path, place: Path) -> None:
    source, whole = ROOT / "fixtures" / "scientific", place / "whole"
    shutil.copytree(source, whole)
    done = compile_app(whole, place / "cache")
    assert "Since the last build: SLUGKIT_TRIM is gone.\n" in done.stdout
    assert " MB of your packages are their own test suites\n" in done.stderr
    assert "SLUGKIT_TRIM=tests\n" in done.stderr
    assert {".pyc", ".pyi", ".h"} <= suffixes(whole)
    assert size(scientific / ".heroku") < 0.75 * size(whole / ".heroku")


def size(root: Path) -> int:
    return sum(os.lstat(path).st_size for path in root.rglob("*"))
