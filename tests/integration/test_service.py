"""slug-run service under a systemd that is real: a user's manager of our own, in a namespace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildpack.support.deletion import remove_tree
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(os.getuid() != 0, reason="makes namespaces and control groups"),
    pytest.mark.skipif(not SYSTEMD.exists(), reason="needs systemd"),
    pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="a systemd is at work here"),
]

# systemd looks whether the machine was started by one.
BEGIN = """\
for top in systemd unified .; do
  procs="$CGROUPS/$top/$GROUP/cgroup.procs"
  [ -e "$CGROUPS/$top/cgroup.procs" ] && mkdir -p "${procs%/*}" && echo 0 >"$procs"
done
mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system || exit 1
exec "$@" --user --unit=default.target
"""
INSTALL = """\
import os, sys
from pathlib import Path
from buildpack.support.command import capture
from runner.supervision.service import install, plan_unit, remove
unit = plan_unit("polls", os.environ, stop_timeout=5.0, is_root=False)
do = {"install": install, "remove": remove}[sys.argv[1]]
do("polls", unit, os.environ, run=capture)
"""
UNIT = "slug-run-polls.service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A user's systemd, whose user has directories of its own."""

    root: Path
    site: Site
    group: str

    @property
    def env(self) -> dict[str, str]:
        return {
            **self.site.env,
            "HOME": str(self.root),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "SYSTEMD_LOG_TARGET": "console",
            "CGROUPS": str(CGROUPS),
            "GROUP": self.group,
        }

    def start(self) -> subprocess.Popen[bytes]:
        """As when the machine starts."""
        (self.root / "run").mkdir(mode=0o700, exist_ok=True)
        words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", BEGIN, "sh")
        with (self.root / "said").open("ab") as said:
            process = subprocess.Popen(
                (*words, str(SYSTEMD)), env=self.env, cwd="/", stdout=said, stderr=said
            )
        until((self.root / "run/systemd/private").exists)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """As when the machine is shut down."""
        if process.poll() is None:
            self.inside(process, "systemctl", "--user", "exit")
        process.wait(PATIENCE)
        remove_tree(self.root / "run")

    def inside(self, process: subprocess.Popen[bytes], *words: str) -> str:
        done = subprocess.run(
            ("nsenter", f"--mount=/proc/{process.pid}/ns/mnt", "--", *words),
            env=self.env,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {0, 3}, (words, done, (self.root / "said").read_text())
        return done.stdout.strip()

    def state(self, process: subprocess.Popen[bytes]) -> str:
        return self.inside(process, "systemctl", "--user", "is-active", UNIT)


@pytest.fixture
def manager(open_dir: Path) -> Iterator[Manager]:
    site = deployed(open_dir / "site", port=free_port())
    group = f"slugkit-test-{os.getpid()}"
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sd-")))
        yield Manager(root=root, site=site, group=group)
        site.must("stop")
    for top in (CGROUPS / "systemd", CGROUPS / "unified", CGROUPS):
        if (top / group).is_dir():
            for each in sorted((top / group).rglob("*"), reverse=True):
                if each.is_dir():
                    each.rmdir()
            (top / group).rmdir()


def test_an_app_comes_back_with_the_machine_and_ends_with_it(manager: Manager) -> None:
    site = manager.site
    site.start("web=1", "idle=1")
    first = manager.start()
    try:
        manager.inside(first, sys.executable, "-c", INSTALL, "install")
        assert manager.state(first) == "active"
        assert site.get() == "web.1 ", "who keeps the app goes on; the service waits for its turn"
        kept = site.processes()
        for number in (signal.SIGSTOP, signal.SIGKILL):  # neither is to see the other go
            for victim in ("keeper", "supervisor"):
                os.kill(kept[victim], number)
        until(lambda: is_up(site), site.errors)
        service = site.processes()
        assert service["keeper"] != kept["keeper"]

        manager.inside(first, "systemctl", "--user", "kill", "--signal=KILL", UNIT)
        until(lambda: site.processes().get("keeper") not in {None, service["keeper"]})
        until(lambda: is_up(site), site.errors)
    finally:
        manager.end(first)
    assert site.processes() == {}
    assert site.left_behind(site.runs()) == []
    assert "Stopping all processes with SIGTERM" in site.log("-s", "slug-run")

    second = manager.start()
    try:
        until(lambda: is_up(site), site.errors)
        manager.inside(second, "systemctl", "--user", "stop", UNIT)
        assert manager.state(second) in {"inactive", "failed"}
        assert site.processes() == {}
        manager.inside(second, sys.executable, "-c", INSTALL, "remove")
    finally:
        manager.end(second)
    third = manager.start()
    try:
        assert manager.state(third) == "inactive"
        assert site.processes() == {}
    finally:
        manager.end(third)


def is_up(site: Site) -> bool:
    found = site.run("ps", "--json")
    if found.code != 0 or '"state": "up"' not in found.out:
        return False
    try:
        return site.get() == "web.1 "
    except OSError:
        return False
