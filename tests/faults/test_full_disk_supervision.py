"""A disk that is full while an app runs: it goes on, can be looked at, and what filled it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system"),
]


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    """An app on a file system of 24 MiB."""
    home = open_dir / "site" / "home"
    home.mkdir(parents=True)
    options = "size=24m,mode=755"
    subprocess.run(("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(home)), check=True)
    try:
        found = deployed(open_dir / "site", port=free_port())
        yield found
        (home / "filler").unlink(missing_ok=True)
        found.must("stop")
    finally:
        subprocess.run(("umount", "--lazy", str(home)), check=True)


@contextlib.contextmanager
def filled(site: Site) -> Iterator[None]:
    path = site.home / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield
    path.unlink()


def test_a_supervisor_goes_on_without_room(site: Site) -> None:
    site.start("web=1", "idle=2")
    before = site.processes()
    pids = site.pids()
    with filled(site):
        os.kill(pids["idle.1"], signal.SIGKILL)
        until(lambda: site.pids()["idle.1"] not in {None, pids["idle.1"]})
        site.must("restart", "idle.2")
        assert site.pids()["idle.2"] != pids["idle.2"]
        assert site.get() == "web.1 "
        refused = site.run("scale", "idle=3")
        assert (refused.code, refused.out) == (73, "")
        assert "It cannot be written: the disk is full or read-only." in refused.err
        assert site.processes() == before, "nobody was replaced"
    assert set(site.pids()) == {"web.1", "idle.1", "idle.2"}
    site.must("scale", "idle=3")
    assert set(site.pids()) == {"web.1", "idle.1", "idle.2", "idle.3"}


def test_a_supervisors_successor_takes_over_without_room(site: Site) -> None:
    site.start("web=1", "idle=2")
    before, pids = site.processes(), site.pids()
    with filled(site):
        os.kill(before["supervisor"], signal.SIGKILL)
        until(lambda: site.processes().get("supervisor") not in {None, before["supervisor"]})
        assert site.pids() == pids
        assert site.get() == "web.1 "
    site.must("scale", "idle=1")
    assert site.pids() == {name: pids[name] for name in ("web.1", "idle.1")}


def test_what_has_filled_the_disk_makes_room_again_when_it_is_restarted(site: Site) -> None:
    """Its writable layer goes with it, so there is a way out that deletes nothing of anybody's."""
    site.start("web=1", "greedy=1")
    # A few pages come free again when the log has taken over what a spool held.
    until(lambda: os.statvfs(site.home).f_bavail < 32)
    site.must("restart", "greedy.1")
    until(lambda: site.containers()["greedy.1"]["state"] == "up")
    assert site.get() == "web.1 "
    site.must("exec", "greedy.1", "--", "rm", "-f", "/app/all")
    site.must("scale", "greedy=0")
    assert set(site.pids()) == {"web.1"}
