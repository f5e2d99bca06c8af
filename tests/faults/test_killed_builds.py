"""SIGKILL at random moments: the next build succeeds, the store is whole, nothing is left over.

SLUGKIT_KILLS says how many times (12; 200 by hand), SLUGKIT_SEED which moments.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from slugc.slug import read_slug, verify_slug
from slugc.upkeep.prune import PruneRequest, prune
from tests.faults.tiny_builds import SLUGC, Tiny, digest, make_tiny

KILLS = int(os.environ.get("SLUGKIT_KILLS", "12"))
SEED = int(os.environ.get("SLUGKIT_SEED", "1"))
PAUSE = 0.7  # seconds; from half a second on frames are packed while the build runs


@pytest.fixture
def tiny(open_dir: Path) -> Tiny:
    return make_tiny(open_dir)


def test_a_killed_build_harms_no_later_one(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = random.Random(SEED)  # the moments are to be the same again
    output = tiny.root / "app.slug"
    started = time.monotonic()
    assert tiny.build(output).code == 0
    duration = time.monotonic() - started
    killed = 0
    for number in range(KILLS):
        (tiny.app / "main.txt").write_text(f"version {number}\n")
        if number % 5 == 4:  # as in a first build
            shutil.rmtree(tiny.home / "store", ignore_errors=True)
        pause = ("--env", f"PAUSE={PAUSE}") if number % 4 == 3 else ()
        latest = duration * 1.1 + (PAUSE if pause else 0)
        code = tiny.kill_after(tiny.build_argv(output, "-q", *pause), moments.uniform(0, latest))
        killed += code == -9
        verify_slug(read_slug(output))  # the old slug or the new one, whole
        assert tiny.problems() == (), f"kill {number}"
        again = tiny.build(output)
        assert again.code == 0, f"kill {number}: {again.stderr}"
        assert tiny.problems() == (), f"build after kill {number}"
    assert killed >= KILLS // 4, "on a busy machine a build takes longer at one time than another"
    fresh = make_tiny(tiny.root / "elsewhere")
    shutil.copy(tiny.app / "main.txt", fresh.app / "main.txt")
    assert fresh.build(fresh.root / "app.slug").code == 0
    assert digest(output) == digest(fresh.root / "app.slug")
    check_nothing_is_left(tiny, monkeypatch)


def check_nothing_is_left(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour prune removes all leftovers; and no process has outlived its build."""
    assert tiny.await_no_processes() == []
    later = time.time() + 2 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    prune(PruneRequest(data_dir=tiny.home, older_than=30 * 86_400.0, max_size=None))
    assert tiny.leftovers() == []
    assert tiny.problems() == ()


def test_a_killed_prune_harms_nothing(tiny: Tiny) -> None:
    moments = random.Random(SEED)
    output = tiny.root / "app.slug"
    assert tiny.build(output).code == 0
    expected = digest(output)
    for number in range(max(KILLS // 3, 4)):
        tiny.kill_after((*SLUGC, "prune", "--older-than", "0"), moments.uniform(0.05, 0.25))
        assert tiny.problems() == (), f"kill {number}"
        output.unlink()
        again = tiny.build(output)
        assert again.code == 0, again.stderr
        assert digest(output) == expected
    assert tiny.slugc("prune", "--older-than", "0").code == 0
    assert tiny.leftovers() == []
