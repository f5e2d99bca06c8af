"""What tests/conftest.py does for every run of the tests, in runs of a few lines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stories import ROOT

Ran = subprocess.CompletedProcess[str]
Run = Callable[..., Ran]

WRITES = """\
import tempfile
def test_it(tmp_path):
    (tmp_path / "a").write_text("a")
    print(tmp_path, tempfile.mkdtemp(), sep="\\n")
"""
TALKS = """\
def test_it():
    print("printed " * 200_000)
    assert not "the beginning" + "x" * 1_000_000 + "the end"
"""
BROKEN = """\
import pytest
from tests import preflight
asked = []
def ask():
    asked.append(1)
    return "the words"
preflight._CHECKS = {"embedded": ("It does not work", ask)}
pytestmark = pytest.mark.embedded
def test_one():
    print("tried")
def test_two():
    print("tried")
@pytest.fixture(scope="session", autouse=True)
def told():
    yield
    print("asked", len(asked))
"""
BREAKS = """\
import pytest
from tests import preflight
works = [True]
preflight._CHECKS = {"embedded": ("It does not work", lambda: "" if works else "the words")}
pytestmark = pytest.mark.embedded
def test_one():
    works.clear()
    assert works
def test_two():
    print("tried")
"""
HANGS = """\
import subprocess
from tests import time_limit
time_limit.LONGEST = 1
def test_one():
    subprocess.run(("sleep", "50"))
def test_two():
    pass
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one file of tests as if it lay here, in a directory that is empty before."""

    def run_tests(text: str, *words: str, **env: str) -> Ran:
        (tmp_path / "test_it.py").write_text(text)
        (tmp_path / "tmp").mkdir()
        own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        here = ("-c", os.devnull, f"--rootdir={tmp_path}", "-W", "ignore", "-p", "tests.conftest")
        return subprocess.run(
            (sys.executable, "-m", "pytest", *here, *words, tmp_path / "test_it.py"),
            cwd=ROOT, env={**own, "TMPDIR": str(tmp_path / "tmp"), **env}, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip

    return run_tests


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_run_has_a_temporary_directory_of_its_own_which_goes_with_it(
    run: Run, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    done = run(WRITES, *workers, "-rP")
    assert done.returncode == 0, done.stdout
    written = [line for line in done.stdout.splitlines() if line.startswith(f"{tmp_path}/tmp/")]
    assert len(written) == 2, done.stdout
    assert not list((tmp_path / "tmp").iterdir())


def test_who_says_where_keeps_what_tests_wrote(run: Run, tmp_path: Path) -> None:
    assert run(WRITES, f"--basetemp={tmp_path}/kept").returncode == 0
    assert (tmp_path / "kept/test_it0/a").read_text() == "a"


def test_a_failure_is_told_in_some_thousand_characters(run: Run) -> None:
    done = run(TALKS, CI="true")
    assert done.returncode == 1
    assert "the beginning" in done.stdout
    assert "the end" in done.stdout
    assert len(done.stdout) < 60_000


def test_what_does_not_work_on_a_machine_is_asked_twice_and_told_first_and_last(run: Run) -> None:
    done = run(BROKEN, "-s")
    assert done.returncode == 1
    assert done.stdout.count("It does not work:\nthe words\n") == 2
    assert done.stdout.endswith("\nIt does not work:\nthe words\n")
    assert "tried" not in done.stdout
    assert "2 errors" in done.stdout


def test_a_test_that_breaks_the_machine_is_the_last_that_is_tried(run: Run) -> None:
    done = run(BREAKS, "-s")
    assert done.stdout.endswith("\nIt does not work:\nthe words\n")
    assert "1 failed, 1 error" in done.stdout
    assert "tried" not in done.stdout


def test_a_test_that_hangs_ends_and_says_where(run: Run) -> None:
    done = run(HANGS)
    assert "test_it.py:5: \n" in done.stdout
    assert "Failed: It took longer than 1 seconds" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
