"""What every test relies on: order, the rule on skipping, and what Docker tests need."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

from tests import pythons

TESTS = Path(__file__).parent
KEPT_BEFORE = pytest.StashKey[frozenset[str]]()
QUICK_FIRST = ("unit", "test_imports.py", "api", "faults", "integration")


def pytest_configure() -> None:
    """What a test starts can be interrupted.

    A shell without job control starts ``bin/run-tests &`` with the first two ignored, nohup with
    the last, and what is ignored is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


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


def pytest_sessionstart(session: pytest.Session) -> None:
    session.stash[KEPT_BEFORE] = _keepers()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true an app that a test left running is a failure of the whole run."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if is_worker or os.environ.get("CI") != "true":
        return
    before = session.stash[KEPT_BEFORE]
    deadline = time.monotonic() + 20.0  # what was told to end may still be at it
    while (left := _keepers() - before) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        print(f"\nLeft running by a test, keepers of apps: {', '.join(sorted(left))}")
        # Not TESTS_FAILED: bin/run-tests gives tests that failed a second try, and this none.
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def _keepers() -> frozenset[str]:
    """The keepers of apps that run from this checkout: process id and data directory."""
    program = str(TESTS.parent / "runner/supervision/keeper.py").encode()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if program in (process / "cmdline").read_bytes().split(b"\0"):
                settings = (process / "environ").read_bytes().split(b"\0")
                homes = [each for each in settings if each.startswith(b"SLUGKIT_HOME=")]
                found.add(f"{process.name} ({b' '.join(homes).decode(errors='replace')})")
        except OSError:  # it has ended, or is another user's
            continue
    return frozenset(found)
