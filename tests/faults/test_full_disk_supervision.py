"""A disk that is full while an app runs: it goes on, can be looked at, and what filled it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.embedded.lasting.ballast import Ballast
from tests.integration.rollout_support import Releases
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


def test_what_a_start_writes_has_room_of_its_own(site: Site) -> None:
    ballast = Ballast(site.home / "ballast")
    with ballast.lent():
        pass
    with filled(site):
        with ballast.lent():
            assert not (site.home / "ballast").exists()
            (site.home / "record").write_bytes(bytes(8192))
        left = (site.home / "ballast").stat().st_size
        assert left == 32 * 1024, "what is left of 64 KiB, by halves"
        with pytest.raises(OSError, match="No space left"):
            (site.home / "record").write_bytes(bytes(64 * 1024))


NO_ROOM = (
    "It cannot be written: the disk is full or read-only.",  # state.db
    "Slugkit cannot write to its store",
    "slug-run could not go on: No space left on device",
)


def test_what_would_change_something_is_refused_and_nothing_is_half_done(site: Site) -> None:
    two = Releases(root=site.home.parent, site=site).slug("two")
    variables = site.home.parent / "variables.env"
    variables.write_text("B=2\n")
    site.must("config", "set", "COLOR=red")
    site.must("schedule", "add", "--name", "nightly", "0 3 * * *", "--", "true")
    site.start("web=1", "idle=1")
    state = site.home / "state.db"
    before, pids = state.read_bytes(), site.pids()
    with filled(site):
        for words in (
            ("scale", "idle=3"),
            ("start", "-d", "web=2", "--port", str(site.port)),
            ("config", "set", "A=1"),
            ("config", "set", f"A={'x' * 50_000}"),
            ("config", "unset", "COLOR"),
            ("config", "import", str(variables)),
            ("deploy", two),
            ("deploy", two, "--app", "new", "--create"),
            ("rollback",),
            ("schedule", "add", "0 4 * * *", "--", "true"),
            ("schedule", "remove", "nightly"),
            ("schedule", "run", "nightly"),
            ("apps", "create", "third"),
            ("apps", "rename", "surveys"),
            ("drains", "add", "syslog://127.0.0.1:5140"),
            ("run", "--app", "polls", "--", "true"),
            ("run", "--app", "polls", "--detach", "--", "true"),
        ):
            refused = site.run(*words)
            assert refused.code == 73, (words, refused)
            assert any(said in refused.err for said in NO_ROOM), (words, refused.err)
            assert "Traceback" not in refused.err
        assert site.must("exec", "idle.1", "--", "echo", "inside").out == "inside\n"
        assert (site.pids(), site.get()) == (pids, "web.1 red")
        assert state.read_bytes() == before
    assert (site.pids(), site.get()) == (pids, "web.1 red")
    assert state.read_bytes() == before
    assert site.must("drains").out == ""
    assert len(list((site.home / "slugs").glob("*.slug"))) == 1, "that of v1"
    assert not list((site.home / "slugs").glob(".*.tmp"))
    site.must("deploy", two)


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


def test_what_has_filled_the_disk_is_scaled_away_and_stays_away(site: Site) -> None:
    site.start("web=1", "idle=2")
    site.must("scale", "greedy=1")
    until(lambda: os.statvfs(site.home).f_bavail < 32)
    pids = site.pids()
    done = site.must("scale", "greedy=0", "idle=1")
    assert (
        done.out
        == "Now running web at 1:standard-1x, greedy at 0:standard-1x, idle at 1:standard-1x\n"
    )
    assert site.pids() == {name: pids[name] for name in ("web.1", "idle.1")}
    os.kill(site.processes()["supervisor"], signal.SIGKILL)  # its successor reads what is wanted
    until(lambda: "supervisor" in site.processes())
    site.must("restart", "idle.1")
    assert set(site.pids()) == {"web.1", "idle.1"}
    assert site.get() == "web.1 "


def test_what_gives_back_too_little_is_scaled_away_and_told_as_not_written_down(
    site: Site,
) -> None:
    site.start("web=1", "idle=1")
    pids = site.pids()
    with filled(site):
        refused = site.run("scale", "idle=0")
        assert refused.code == 73
        assert "idle.1 was stopped, and that could not be written down" in refused.err
        assert site.pids() == {"web.1": pids["web.1"]}
    site.must("scale", "idle=0")
    assert site.pids() == {"web.1": pids["web.1"]}


def test_an_app_that_has_filled_the_disk_can_be_stopped_for_good(site: Site) -> None:
    site.start("web=1", "greedy=1")
    until(lambda: os.statvfs(site.home).f_bavail < 32)
    before = site.processes()
    said = site.must("stop")
    assert said.out == "Stopped polls\n"
    assert set(site.processes().values()) & set(before.values()) == set()
    site.must("scale", "web=2")
    assert site.processes() == {}, "what is stopped is remembered: nobody starts it again"


def test_stop_works_without_room_and_is_remembered_in_what_it_has_given_back(site: Site) -> None:
    site.start("web=1", "stubborn=1")
    with filled(site):
        refused = site.run("scale", "web=2")  # what it leaves is in nobody's way
        assert refused.code == 73
        assert site.must("stop", "--force").out == "Stopped polls\n"
        assert site.processes() == {}
        assert site.run("restart").code == 1, "it is not running, and nobody wants it to"
    assert "exited with status 137" in site.log("-d", "stubborn.1")


def test_a_killed_supervisors_successor_is_stopped_without_room_as_well(site: Site) -> None:
    site.start("stubborn=2")
    with filled(site):
        stopping = site.begin("stop")
        until(lambda: "SIGTERM" in site.log("-s", "slug-run"))
        os.kill(site.processes()["supervisor"], signal.SIGKILL)
        until(lambda: "supervisor" in site.processes())
        site.must("stop", "--force")
        stopping.communicate(timeout=30)
        assert stopping.returncode == 0
        assert site.processes() == {}
