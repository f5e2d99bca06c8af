"""Limits that hold, or are said not to; secrets that stay secret."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildpack.environment import PROFILE_SCRIPT
from buildpack.support.cgroups import create_cgroup
from buildpack.support.hierarchies import find_hierarchies
from runner.engines.base import Limits
from runner.engines.embedded.engine import EmbeddedEngine
from runner.engines.embedded.launcher import MemoryTooLowError
from runner.engines.left_sockets import sweep_left_sockets
from tests.integration import embedded_support as support
from tests.integration.embedded_support import (
    GREETER,
    STARTERS,
    Wanted,
    carry_out_as,
    inside_of,
    left_behind,
    read,
    run_ids,
    started,
)

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

MIB = 1024 * 1024
PROFILE = PROFILE_SCRIPT.read_text()
SERVE = f"exec python3 -c '{GREETER}' 5000"


HOG = "exec python3 -c 'x = []\nwhile True: x.append(bytearray(1 << 20))'"
FORKS = """exec python3 -c '
import os, time
started = 0
try:
    while started < 500:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        started += 1
except OSError as err:
    print("refused after", started, err.strerror)
'"""


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_memory_hog_is_killed_at_the_limit_and_reported(home: Path) -> None:
    with support.make_engine(home, Limits(memory=64 * MIB)) as engine:
        happened = support.run(engine, Wanted(command=HOG))
        assert (happened.code, happened.oom_killed) == (137, True)
        child = support.run(
            engine, Wanted(command=f"({HOG.removeprefix('exec ')}); echo still here")
        )
        assert child.oom_killed
        assert "still here" in child.output
        assert not support.run(engine, Wanted(command="true")).oom_killed


def test_memory_hog_of_a_user_is_stopped_at_a_limit_said_to_be_soft() -> None:
    happened, notices = carry_out_as("user", Limits(memory=64 * MIB), [Wanted(command=HOG)])
    assert "MemoryError" in happened[0].output
    assert [notice.split(",")[0] for notice in notices] == ["Limits are soft here"]


def test_an_app_is_told_its_memory_where_its_limit_is_soft() -> None:
    """By the name that .profile.d goes by; a config var of that name is the app's own word."""
    show, env = 'eval "$SCRIPT"; echo $DYNO_RAM $WEB_CONCURRENCY', {"SCRIPT": PROFILE}
    plan = [
        Wanted(command=show, env=env),
        Wanted(command=show, env={**env, "DYNO_RAM": "256"}),
        Wanted(command="sleep 100", stay=True),
        Wanted(command=show, env=env, enter=True),
    ]
    limits = Limits(memory=1024 * MIB, quota=512 * MIB)
    happened, _ = carry_out_as("user", limits, plan)
    assert [each.output.strip() for each in happened] == ["512 2", "256 1", "", "512 2"]
    happened, _ = carry_out_as("user", Limits(memory=256 * MIB), plan[:1])
    assert happened[0].output.strip() == "256 1"


@pytest.mark.parametrize("starter", STARTERS)
def test_fork_bomb_stops_at_the_limit(starter: str) -> None:
    happened, _ = carry_out_as(starter, Limits(pids=40), [Wanted(command=FORKS)])
    words = happened[0].output.split()
    assert words[:2] == ["refused", "after"]
    assert 30 <= int(words[2]) <= 40


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_memory_too_low_to_start_is_told_as_such(home: Path) -> None:
    with support.make_engine(home, Limits(memory=MIB // 8)) as engine:
        with pytest.raises(MemoryTooLowError) as caught:
            started(engine, "true")
        assert caught.value.text() == (
            "The container web.1 needs more memory than it may use\n\n"
            "It was killed at its limit of 131072 bytes before its command began.\n\n"
            "Raise the limit: --memory 512M is the default."
        )
        runs = run_ids(home)
    assert left_behind(home, runs) == []


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_cpu_limit_holds(home: Path) -> None:
    burn = "import time; end = time.monotonic() + 1\nwhile time.monotonic() < end: pass\n"
    show = "import os; t = os.times(); print(t.user + t.system)"
    with support.make_engine(home, Limits(cpus=0.25)) as engine:
        happened = support.run(engine, Wanted(command="python3 -", stdin=burn + show))
    assert 0.1 < float(happened.output) < 0.45


@pytest.mark.skipif(find_hierarchies() is None, reason="limits are soft here: no cgroup access")
def test_groups_of_a_killed_run_without_data_directory_go_once_nobody_is_in_them(
    tmp_path: Path,
) -> None:
    hierarchies = find_hierarchies()
    assert hierarchies is not None
    run_id = f"embedded-{os.urandom(4).hex()}"
    left = tmp_path / run_id
    left.mkdir()
    os.utime(left, (0, 0))
    group = create_cgroup(hierarchies, run_id, "web.1-1", Limits(memory=64 * MIB))
    with subprocess.Popen(("sleep", "60")) as process:
        for entrance in group.entrances:
            entrance.write_text(str(process.pid))
        sweep_left_sockets(tmp_path)
        assert left.exists()
        process.kill()
    sweep_left_sockets(tmp_path)
    assert not left.exists()
    assert not [path for path in group.dirs.values() if path.exists() or path.parent.exists()]


def test_limits_of_one_container_are_not_anothers(home: Path) -> None:
    with support.make_engine(home, Limits(pids=20)) as engine:
        for _ in range(3):
            started(engine, "for i in $(seq 10); do sleep 60 & done; wait")
        assert support.run(engine, Wanted(command="for i in 1 2 3; do true & done; wait")).code == 0


# Secrets


def test_secrets_are_on_no_command_line(engine: EmbeddedEngine) -> None:
    canary = f"canary-{os.urandom(8).hex()}"
    container = started(engine, "sleep 60", env={"SECRET": canary})
    lines = {path: read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    assert any(b"slirp4netns" in line for line in lines.values())
    assert [path for path, line in lines.items() if canary.encode() in line] == []
    inside = inside_of(container)
    holders = {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/environ")
        if canary.encode() in read(path)
    }
    assert inside
    assert holders <= inside
