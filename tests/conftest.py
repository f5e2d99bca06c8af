"""What every test relies on: order, a place of its own, what it needs, and the rule on skipping."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests import pythons
from tests.leftovers import leftovers
from tests.reports import shorten_report, shortened
from tests.scratch import make_scratch, remove_scratch
from tests.time_limit import limited

TESTS = Path(__file__).parent
IS_CI = os.environ.get("CI") == "true"
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
SCRATCH = pytest.StashKey[Path]()
QUICK_FIRST = ("unit", "test_imports.py", "api", "faults", "integration")
NEEDS = ("embedded", "docker", "network")
"""markers of what tests/preflight.py looks at before the first test that has one"""
MACHINE = "machine"
"""the property of a test that was not tried, because of what it is not to blame for"""
last_words: list[str] = []


@pytest.hookimpl(tryfirst=True)  # before pytest settles on its own temporary directory
def pytest_configure(config: pytest.Config) -> None:
    let_signals_through()
    os.umask(0o022)  # programs that tests start read what tests write, under another user
    if not IS_WORKER:  # those are inside the one of all
        config.stash[SCRATCH] = scratch = make_scratch()
        # Who says where wants to keep what the tests write.
        config.option.basetemp = config.option.basetemp or scratch / "pytest"


def let_signals_through() -> None:
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


def needs(item: pytest.Item) -> list[str]:
    return [name for name in NEEDS if item.get_closest_marker(name)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    if needed := needs(item):
        from tests import preflight  # it imports half of the runner: unit tests do without

        if problem := preflight.machine_problem(needed):
            item.user_properties.append((MACHINE, problem))
            pytest.fail(problem.splitlines()[0].rstrip(":"), pytrace=False)
    with limited():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    with limited():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    with limited():
        yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What does not work on this machine is said at once, and as the last of all."""
    for name, problem in report.user_properties:
        if name == MACHINE and problem not in last_words and not IS_WORKER:
            print("", problem, "", sep="\n")
            last_words.append(str(problem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped test is a failure: what CI passed, it ran."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and IS_CI:
        report.outcome = "failed"
        report.longrepr = f"Skipped, which CI=true does not allow: {report.longreprtext}"
    if report.failed:
        shorten_report(report)
        if preflight := sys.modules.get("tests.preflight"):
            preflight.doubt(needs(item))
    return report


@pytest.hookimpl(trylast=True)  # when the processes of pytest-xdist have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true what a test left running or mounted is a failure of the whole run."""
    scratch = session.config.stash.get(SCRATCH, None)
    if IS_CI and scratch is not None and (left := leftovers(scratch)):
        last_words.append("\n".join(("Left behind by a test:", *left)))
        # Not TESTS_FAILED: bin/run-tests gives tests that failed a second try, and this none.
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def pytest_unconfigure(config: pytest.Config) -> None:
    if (scratch := config.stash.get(SCRATCH, None)) is not None:
        last_words.append(shortened(remove_scratch(scratch)))
    for words in filter(None, last_words):
        print("", words, sep="\n")
