"""What every test relies on: order, the rule on skipping, and what Docker tests need."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

from tests import pythons

TESTS = Path(__file__).parent
QUICK_FIRST = ("unit", "test_imports.py", "api", "faults", "integration")


def pytest_report_header() -> str:
    return pythons.header()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: what is plainly broken shows before anything is built."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    part = path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""
    return QUICK_FIRST.index(part) if part in QUICK_FIRST else len(QUICK_FIRST)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and (reason := why_no_docker()):
        pytest.skip(reason)


@cache
def why_no_docker() -> str:
    """Why Docker tests cannot run here; empty when they can."""
    try:
        subprocess.run(["docker", "version"], capture_output=True, check=True, timeout=20)
    except FileNotFoundError:
        return "no Docker: install docker.io (bin/run-tests does, as root)"
    except subprocess.TimeoutExpired:
        return "the Docker Engine does not answer within 20 s"
    except subprocess.CalledProcessError as error:
        return f"no Docker Engine for this user: {error.stderr.decode().strip().splitlines()[-1]}"
    return ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped test is a failure: what CI passed, it ran."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"Skipped, which CI=true does not allow: {report.longreprtext}"
    return report
