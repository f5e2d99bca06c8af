"""Ending containers, whoever dies first; nothing stays behind; starting is quick."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from buildpack.support.values import changed
from runner.engines.base import Limits
from runner.engines.embedded.engine import EmbeddedEngine
from runner.engines.embedded.launcher import ContainerStartError
from runner.engines.embedded.processes import descendants
from tests.integration import embedded_support as support
from tests.integration.embedded_support import (
    GREETER,
    STARTERS,
    Happened,
    Wanted,
    carry_out_as,
    inside_of,
    is_alive,
    left_behind,
    read,
    read_until,
    run_ids,
    started,
)
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

MIB = 1024 * 1024
SERVE = f"exec python3 -c '{GREETER}' 5000"


STUBBORN = "trap 'echo $0 got it' TERM; sleep 60 & wait; sleep 60 & wait"


def test_terminate_reaches_every_process(engine: EmbeddedEngine) -> None:
    command = (
        "trap 'wait; echo parent; exit 3' TERM; "
        "bash -c 'trap \"echo child; exit\" TERM; echo ready; while :; do sleep 0.05; done' & "
        "while :; do sleep 0.05; done"
    )
    reader, writer = os.pipe()
    container = support.start(engine, Wanted(command=command), writer)
    os.close(writer)
    read_until(reader, b"ready")
    container.terminate()
    assert support.wait(container, 5) == 3
    with os.fdopen(reader) as output:
        assert {"child", "parent"} <= set(output.read().splitlines())


def test_kill_ends_what_ignores_everything(engine: EmbeddedEngine) -> None:
    command = "trap '' TERM INT HUP; setsid sleep 60 & while :; do sleep 0.1; done"
    container = started(engine, command)
    until(lambda: len(inside_of(container)) >= 2)
    inside = inside_of(container)
    container.terminate()
    time.sleep(0.1)
    assert container.poll() is None
    container.kill()
    assert support.wait(container, 5) == 137
    until(lambda: not any(is_alive(pid) for pid in inside))


def test_nothing_is_left_of_a_container_whose_init_was_never_found(engine: EmbeddedEngine) -> None:
    """Its chain was killed while that was looked for, as for want of memory."""
    container = started(engine, "sleep 60")
    if container.cgroup is None:
        pytest.skip("no control groups here, which alone know what is in a container then")
    init, init_fd = container.launched.init_pid, container.launched.init_fd
    assert init is not None
    assert init_fd is not None
    inside = {init, *inside_of(container)}
    os.close(init_fd)
    container.launched = changed(container.launched, init_pid=None, init_fd=None)
    container.launched.chain.kill()
    support.wait(container, 5)
    assert is_alive(init)  # of the others some may have been on the way to the command
    container.remove()
    assert not any(is_alive(pid) for pid in inside)
    assert not any(group.exists() for group in container.cgroup.dirs.values())


def test_leaving_gives_everything_back(home: Path) -> None:
    with support.make_engine(home) as engine:
        for ordinal in (1, 2):
            started(engine, "sleep 60", ordinal=ordinal, port=5000)
        processes = descendants(os.getpid())
        runs = run_ids(home)
        assert left_behind(home, runs) != []
    assert processes
    assert not any(is_alive(pid) for pid in processes)
    assert left_behind(home, runs) == []


def zombies() -> set[int]:
    return {pid for pid in descendants(os.getpid()) if not is_alive(pid)}


def test_ended_containers_leave_no_zombie(engine: EmbeddedEngine) -> None:
    before = zombies()  # of other tests of this process
    for _ in range(5):
        support.run(engine, Wanted(command="sleep 60 & sleep 0.01"))
    until(lambda: not zombies() - before, explain=lambda: str(zombies() - before))


def test_a_start_leaves_no_descriptor_open(engine: EmbeddedEngine) -> None:
    support.run(engine, Wanted(command="true"))
    before = open_descriptors()
    support.run(engine, Wanted(command="true", port=5000))
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_failed_start_says_why_and_gives_everything_back(
    engine: EmbeddedEngine, home: Path
) -> None:
    support.run(engine, Wanted(command="true"))  # the network is complete with the first one
    (home / "store/layers/lower").rename(home / "store/layers/moved")
    before = open_descriptors()
    with pytest.raises(ContainerStartError) as caught:
        started(engine, "true", port=5000)
    assert caught.value.brief == "The container web.1 could not be started"
    assert "mount" in caught.value.details
    assert open_descriptors() == before
    assert [path.name for path in (home / "run").glob("*/web*")] == []


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.02, 0.04, 0.3])
def test_kill_9_of_slug_run_leaves_no_process(home: Path, moment: float) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from tests.integration.embedded_support import *\n"
        f"with make_engine(Path({str(home)!r})) as engine:\n"
        "    start(engine, Wanted(command='setsid sleep 321 & sleep 321', port=5000), 2)\n"
        "    print('ready', flush=True)\n"
        "    start(engine, Wanted(command='setsid sleep 321 & sleep 321', ordinal=2), 2)\n"
        "    time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, cwd=support.CHECKOUT, stdout=subprocess.PIPE) as slug_run:
        assert slug_run.stdout is not None
        assert slug_run.stdout.readline() == b"ready\n"
        time.sleep(moment)
        processes = descendants(slug_run.pid)
        slug_run.send_signal(signal.SIGKILL)
    assert len(processes) >= 5
    until(lambda: not any(is_alive(pid) for pid in processes))
    until(lambda: not find_strays(home))
    runs = run_ids(home)
    assert left_behind(home, runs) != []
    with support.make_engine(home):
        pass
    assert left_behind(home, runs) == []


def find_strays(home: Path) -> list[bytes]:
    """Processes that still name the run: containers being started are not yet anybody's child."""
    word = str(home).encode()
    me = os.getpid()
    lines = {int(path.parent.name): read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [line for pid, line in lines.items() if word in line and pid != me]


# Speed


@pytest.mark.parametrize("starter", STARTERS)
def test_start_is_quick(starter: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = [Wanted(command="true", ordinal=number) for number in range(1, 12)]
    happened: list[Happened] = carry_out_as(starter, Limits(), plan)[0]
    median = statistics.median(each.milliseconds for each in happened)
    with capsys.disabled():
        print(f"\nembedded, started by {starter}: {median:.1f} ms to the first instruction")
    assert median < 250  # on an idle machine about 20; this bound is for a loaded one
