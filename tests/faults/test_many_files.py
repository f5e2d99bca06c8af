"""A container that made many files: to delete them keeps nobody waiting, whoever is killed."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.embedded.lasting import trash
from tests.integration.supervision_support import Site, command_lines, deployed
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.embedded]

MANY = """\
import os, signal
os.mkdir("/app/many")
for number in range(2000):
    open(f"/app/many/{number}", "w").close()
print("made", flush=True)
signal.pause()
"""


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    files = {"Procfile": "many: exec /usr/bin/python3 many.py\n", "many.py": MANY}
    found = deployed(open_dir / "site", port=free_port(), files=files)
    yield found
    found.must("stop")


def left(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def emptying(directory: Path) -> list[int]:
    found = command_lines().items()
    return [pid for pid, line in found if f"{trash.__name__}\0{directory}\0" in line]


def test_files_that_a_container_leaves_are_deleted_by_whoever_is_there_then(site: Site) -> None:
    site.start("many=1")
    until(lambda: "made" in site.log())
    directory = site.home / "run" / site.runs()[0] / trash.NAME
    directory.mkdir(mode=0o700)
    turn = os.open(directory, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)  # nothing is deleted until we let go
    site.must("restart", "many.1")
    (tree,) = left(directory)
    assert tree.startswith("many.1-1-")
    (process,) = emptying(directory)
    os.kill(process, signal.SIGKILL)
    supervisor = site.processes()["supervisor"]
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: site.processes().get("supervisor") not in {None, supervisor})
    until(lambda: emptying(directory) not in ([], [process]))
    assert left(directory) == [tree]
    os.close(turn)
    until(lambda: left(directory) == [])
    assert site.containers()["many.1"]["state"] == "up"
