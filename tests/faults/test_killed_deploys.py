"""SIGKILL at random moments of deploys, and many of them at once: no release is lost or doubled.

SLUGKIT_KILLS says how many times (12; 200 by hand), SLUGKIT_SEED which moments.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.deploys.kept_slugs import KeptSlugs
from runner.state.state import opened_state
from runner.state.values import ReleaseRecord, ReleaseStatus
from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import SlugFacts
from slugc.stack import read_host_stack
from slugc.store import Store
from tests.environment import given
from tests.integration.supervision_support import command_lines
from tests.waiting import until

KILLS = int(os.environ.get("SLUGKIT_KILLS", "12"))
SEED = int(os.environ.get("SLUGKIT_SEED", "1"))
ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0
PHASE = 0.15  # seconds a release command takes
TYPES = {
    "one": {"web": "true"},
    "two": {"web": "true", "worker": "true"},
    "phased": {"web": "true", "release": f"echo begins; sleep {PHASE}; echo ends"},
    "slow": {"web": "true", "release": "sleep 2"},
    "failing": {"web": "true", "release": "echo fails; exit 9"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploys:
    """One app, some slugs, and slug-run in processes of its own."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def slugs(self) -> KeptSlugs:
        return KeptSlugs(self.home)

    def start(self, *words: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            (sys.executable, "-m", "runner.main", *words),
            cwd=self.root,
            env={**given(), "PYTHONPATH": str(ROOT), "SLUGKIT_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words, stderr=subprocess.STDOUT)
        out, _ = process.communicate(timeout=LIMIT)
        return process.returncode, out.decode()

    def done(self, *words: str) -> str:
        code, out = self.run(*words)
        assert code == 0, out
        return out

    def killed(self, words: Sequence[str], seconds: float) -> int:
        """The exit code, -9 if there was still somebody to kill."""
        process = self.start(*words)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=LIMIT)
        return process.returncode

    def releases(self) -> tuple[ReleaseRecord, ...]:
        """Oldest first."""
        with opened_state(self.home) as state:
            return state.releases(state.app("polls"))[::-1]

    def check(self, *, pruned: bool = False) -> None:
        """Versions without holes, a release that may run, each slug there and whole."""
        found = self.releases()
        assert [release.version for release in found] == list(range(1, len(found) + 1))
        with opened_state(self.home) as state:
            current = state.current(state.app("polls"))
        assert current is not None
        assert current.status is ReleaseStatus.SUCCEEDED
        needed = [current] if pruned else found
        for checksum in {release.slug for release in needed if release.slug}:
            self.slugs.require_whole(checksum, of="a release")

    def processes(self) -> list[str]:
        """Processes that work in our directory."""
        lines = command_lines().items()
        return [line for pid, line in lines if str(self.root) in line and pid != os.getpid()]


@pytest.fixture
def deploys(open_dir: Path) -> Deploys:
    for name, types in TYPES.items():
        tree = open_dir / f"tree-{name}"
        tree.mkdir()
        (tree / "content").write_bytes(random.Random(name).randbytes(300_000))
        facts = SlugFacts(
            name="polls",
            stack=read_host_stack(),
            buildpacks=(),
            process_types={ProcessType(key): command for key, command in types.items()},
            config_vars={},
        )
        store = Store(open_dir / "packing")
        write_slug(tree, open_dir / f"{name}.slug", facts=facts, store=store)
    made = Deploys(root=open_dir)
    made.done("deploy", "one.slug", "--create")
    return made


@pytest.mark.embedded
def test_a_killed_deploy_leaves_a_release_or_none_and_harms_no_later_one(deploys: Deploys) -> None:
    moments = random.Random(SEED)  # the moments are to be the same again
    began = time.monotonic()
    deploys.done("deploy", "phased.slug")
    duration = time.monotonic() - began
    killed = 0
    for number in range(KILLS):
        words = moments.choice(
            (
                ("deploy", "one.slug", "--force"),
                ("deploy", "two.slug", "--force"),
                ("deploy", "phased.slug", "--force"),
                ("deploy", "failing.slug"),
                ("rollback",),
                ("releases", "prune"),
            )
        )
        before = deploys.releases()
        code = deploys.killed(words, moments.uniform(0.05, duration))
        killed += code == -9
        duration *= 1.1 if code == -9 else 0.8  # the machine may be busy now, and idle in a moment
        deploys.check()
        after = deploys.releases()
        assert [x.version for x in after[: len(before)]] == [x.version for x in before]
        assert len(after) - len(before) <= 1, f"kill {number}: {words}"
        if code == 0 and words[0] == "deploy":
            assert len(after) == len(before) + 1, f"kill {number}: {words}"
        listed = json.loads(deploys.done("releases", "--json", "-n", "1000"))
        assert {each["status"] for each in listed} <= {"succeeded", "failed"}, f"kill {number}"
        if number % 3 == 0:
            deploys.done("deploy", ("one.slug", "two.slug")[number % 2], "--force")
            deploys.check()
    assert killed >= KILLS // 4, f"only {killed}"
    deploys.done("releases", "prune")
    needed = {deploys.slugs.path(x.slug) for x in deploys.releases() if x.slug}
    assert {path for path in deploys.home.glob("slugs/*") if path.name != ".lock"} == needed
    until(lambda: deploys.processes() == [])


@pytest.mark.embedded
def test_deploys_and_config_changes_at_once_all_happen_one_after_the_other(
    deploys: Deploys,
) -> None:
    jobs = [
        *[("deploy", f"{name}.slug", "--force", "-q") for name in ("one", "two", "phased") * 2],
        *[("config", "set", f"N{number}={number}") for number in range(4)],
        ("rollback", "v1"),
    ]
    before = len(deploys.releases())
    running = [deploys.start(*words, stderr=subprocess.STDOUT) for words in jobs]
    for words, process in zip(jobs, running, strict=True):
        out, _ = process.communicate(timeout=LIMIT)
        # Who goes back to the release that runs is refused.
        allowed = {0, 64} if words[0] == "rollback" else {0}
        assert process.returncode in allowed, (words, out.decode())
    deploys.check()
    found = deploys.releases()
    succeeded = sum(process.returncode == 0 for process in running)
    assert len(found) == before + succeeded
    assert {str(release.status) for release in found} == {"succeeded"}
    named = {name for release in found for name in release.config_vars}
    assert named == {f"N{number}" for number in range(4)}


@pytest.mark.embedded
def test_a_release_under_way_is_shown_as_such_and_not_taken_for_dead(deploys: Deploys) -> None:
    first = deploys.start("deploy", "slow.slug")
    until(lambda: any(x.status is ReleaseStatus.PENDING for x in deploys.releases()))
    first.send_signal(signal.SIGSTOP)  # however slowly it is looked at
    code, out = deploys.run("releases")
    first.send_signal(signal.SIGCONT)
    assert (code, "release command executing" in out) == (0, True), out
    first.communicate(timeout=LIMIT)
    assert first.returncode == 0
    assert "release command executing" not in deploys.done("releases")


@pytest.fixture
def small(deploys: Deploys) -> Iterator[Deploys]:
    """The same slugs, one of them released, on a file system of 8 MiB."""
    if os.getuid() != 0:
        pytest.skip("a file system of its own needs root")
    made = Deploys(root=deploys.root / "small")
    made.home.mkdir(parents=True)
    mount = ("mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", made.home)
    subprocess.run(mount, check=True, timeout=LIMIT)
    try:
        for name in TYPES:
            (made.root / f"{name}.slug").symlink_to(f"../{name}.slug")
        made.done("deploy", "one.slug", "--create")
        yield made
    finally:
        subprocess.run(("umount", "-l", made.home), check=True, timeout=LIMIT)


@pytest.mark.embedded
def test_however_little_room_there_is_a_deploy_happens_or_does_not(small: Deploys) -> None:
    codes = set()
    for free in (0, 8, 48, 120, 250, 400, 700, 1100):  # KiB
        small.done("deploy", "one.slug", "--force")
        small.done("releases", "prune", "--keep", "1")
        before = small.releases()
        with filled(small.home, free):
            code, out = small.run("deploy", "phased.slug")
        codes.add(code)
        assert code in {0, 73, 74}, out
        assert "Traceback" not in out
        made = [str(each.status) for each in small.releases()[len(before) :]]
        assert made in ([["succeeded"]] if code == 0 else [[], ["pending"], ["failed"]]), out
        small.check(pruned=True)
        small.done("deploy", "two.slug", "--force")
        assert "pending" not in {str(each.status) for each in small.releases()}
        assert not list(small.home.glob("slugs/.*.tmp"))
    assert codes >= {0, 73}


@contextlib.contextmanager
def filled(directory: Path, free: int) -> Iterator[None]:
    """No more room there than ``free`` KiB."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, file.tell() - free * 1024))
    try:
        yield
    finally:
        filler.unlink()
