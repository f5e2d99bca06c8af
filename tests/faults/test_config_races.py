"""Config changes at once, and config changes that are killed: none is lost, doubled or halved.

More rounds by hand: SLUGKIT_ROUNDS=2000 pytest tests/faults/test_config_races.py
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.main import main
from runner.state.state import opened_state
from runner.state.values import ReleaseRecord
from slugc.privileges import data_dir

ROUNDS = int(os.environ.get("SLUGKIT_ROUNDS", "60"))
AT_ONCE = 200


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with an app; commands of this process go there."""
    path = tmp_path / "home"
    monkeypatch.setenv("SLUGKIT_HOME", str(path))
    monkeypatch.delenv("SLUG_RUN_APP", raising=False)
    monkeypatch.delenv("HEROKU_APP", raising=False)
    with opened_state(data_dir(os.environ)) as state:
        state.create_app("polls")
    return path


def forked(words: list[str], gate: Callable[[], object] = lambda: None) -> int:
    """``slug-run`` with ``words`` in a process of its own, silent; its id."""
    pid = os.fork()
    if pid == 0:
        silent = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silent, descriptor)
        sys.stdin, sys.stdout, sys.stderr = (open(n, "rw"[n > 0]) for n in (0, 1, 2))  # noqa: PTH123, SIM115  # descriptors, for good
        gate()
        os._exit(main(words))
    return pid


def releases(home: Path) -> tuple[ReleaseRecord, ...]:
    """Oldest first."""
    with opened_state(home) as state:
        return tuple(reversed(state.releases(state.app("polls"))))


def code_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_two_hundred_at_once_all_land_each_in_a_release_of_its_own(home: Path) -> None:
    reading, writing = os.pipe()

    def wait_for_start() -> None:
        os.close(writing)
        os.read(reading, 1)

    pids = [forked(["config", "set", f"V{n}={n}"], wait_for_start) for n in range(AT_ONCE)]
    os.close(writing)  # the start
    assert [code_of(pid) for pid in pids] == [0] * AT_ONCE
    os.close(reading)
    found = releases(home)
    assert [each.version for each in found] == list(range(1, AT_ONCE + 1))
    assert found[-1].config_vars == {f"V{n}": str(n) for n in range(AT_ONCE)}
    for before, after in itertools.pairwise(found):
        assert len(after.config_vars.items() - before.config_vars.items()) == 1


def test_killed_at_random_moments_a_change_is_whole_or_absent(home: Path) -> None:
    chooser = random.Random(5)
    landed = 0
    began = time.monotonic()
    assert code_of(forked(["config", "set", "WARM=1"])) == 0
    usual = time.monotonic() - began
    for number in range(ROUNDS):
        pid = forked(["config", "set", f"A={number}", f"B={number}"])
        time.sleep(chooser.random() * 1.5 * usual)
        os.kill(pid, signal.SIGKILL)
        code = code_of(pid)
        current = releases(home)[-1:]
        is_there = current[0].config_vars.get("A") == str(number)
        assert is_there or code != 0, "what was reported done is done"
        landed += is_there
    found = releases(home)
    assert [each.version for each in found] == list(range(1, landed + 2))
    assert all(each.config_vars.get("A") == each.config_vars.get("B") for each in found)
    assert 0 < landed < ROUNDS, "some must be killed before the change, and some after"
    assert code_of(forked(["config", "set", "A=x"])) == 0


@pytest.mark.parametrize("limit", [0, 100, 8_000, 40_000])
def test_without_room_nothing_changes_and_it_works_once_there_is(limit: int, home: Path) -> None:
    """A file that may not grow past a limit is to SQLite what a full disk is."""
    assert code_of(forked(["config", "set", "A=1"])) == 0

    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    text = "x" * 60_000
    assert code_of(forked(["config", "set", f"A={text}"], fill_disk)) == ExitCode.CANNOT_CREATE
    assert [each.config_vars for each in releases(home)] == [{"A": "1"}]
    assert code_of(forked(["config", "set", f"A={text}"])) == 0
    assert releases(home)[-1].config_vars == {"A": text}
