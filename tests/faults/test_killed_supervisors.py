"""SIGKILL for supervisor, keeper, commands, Caddy and containers, at random moments under requests.

By hand, with the rounds' numbers at the end (about five minutes):
SLUGKIT_KILLS=200 pytest -s tests/faults/test_killed_supervisors.py -k whoever
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from buildpack.support.deletion import remove_tree
from runner.engines.embedded.identity import read_exit_code
from runner.engines.embedded.lasting.token import parse_token
from runner.engines.embedded.processes import descendants
from runner.engines.embedded.slirp import SlirpApi
from runner.engines.rundir import sockets_root
from runner.state.state import opened_state
from runner.state.values import NewRelease, ReleaseRecord, ReleaseStatus
from runner.supervision.daemon import LOST
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.embedded]

ROUNDS = int(os.environ.get("SLUGKIT_KILLS", "10"))
SEED = int(os.environ.get("SLUGKIT_SEED", "0")) or int(time.time())
VICTIMS = ("supervisor", "keeper", "caddy", "init", "cli")
PAIRS = (("supervisor", "caddy"), ("keeper", "init"), ("cli", "supervisor"), ("cli", "keeper"))


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port())
    yield found
    found.must("stop")


@contextlib.contextmanager
def requests(site: Site) -> Iterator[Counter[str]]:
    """Asks all the time; how often it was answered, and how often not."""
    counts: Counter[str] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.005):
            try:
                counts["answered" if site.get().startswith("web.") else "wrong"] += 1
            except (OSError, http.client.HTTPException):
                counts["refused"] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield counts
    finally:
        done.set()
        thread.join()


def kill(site: Site, victim: str) -> None:
    processes = site.processes()
    pid = site.pids().get("worker.1") if victim == "init" else processes.get(victim)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What state.db says of the app."""

    releases: tuple[ReleaseRecord, ...]
    """oldest first"""
    current: int
    formation: dict[str, int]

    @property
    def names(self) -> set[str]:
        return {f"{x}.{n}" for x, count in self.formation.items() for n in range(1, count + 1)}


def known(site: Site) -> Known:
    with opened_state(site.home) as state:
        current = state.current(site.app)
        assert current is not None
        return Known(
            releases=state.releases(site.app)[::-1],
            current=current.version,
            formation={str(x): each.quantity for x, each in state.formation(site.app).items()},
        )


class KilledCommand:
    """A command that changes the app, killed while it works, or not even begun."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site, self.before = site, known(site)
        self.spare = chance.randrange(3)
        self.words = chance.choice(
            (
                ("scale", f"idle={1 + self.spare}"),
                ("config", "set", f"ROUND={chance.random()}"),
                ("restart", "idle"),
                ("deploy", str(site.home.parent / "app.slug"), "--force"),
            )
        )
        self._process = site.begin(*self.words)
        time.sleep(chance.random() * 0.8)

    def kill(self) -> None:
        """Nothing that was there is lost; what was asked for is done once, or not at all."""
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)
        before, after = self.before, known(self.site)
        made = len(after.releases) - len(before.releases)
        versions = [each.version for each in after.releases]
        assert versions == list(range(1, len(versions) + 1)), self.words
        assert [x.config_vars for x in after.releases[: len(before.releases)]] == [
            x.config_vars for x in before.releases
        ], self.words
        assert made in ({0, 1} if self.words[0] in {"config", "deploy"} else {0}), self.words
        asked = {**before.formation, "idle": 1 + self.spare}
        allowed = (before.formation, asked) if self.words[0] == "scale" else (before.formation,)
        assert after.formation in allowed, self.words


def is_whole(site: Site) -> bool:
    """What runs is what is known: nothing is missing, nothing is twice, and all of us are there."""
    wanted = known(site)
    if any(each.status is ReleaseStatus.PENDING for each in wanted.releases):
        site.must("releases")  # whoever looks settles what somebody who was killed has left
        return False
    up = sorted((name, "up", wanted.current) for name in wanted.names)
    return (
        sorted((each["name"], each["state"], each["release"]) for each in shown(site)) == up
        and {"keeper", "supervisor", "caddy"} <= set(site.processes())
        and commands_running(site) == Counter(wanted.names - {"worker.1"})
    )


def shown(site: Site) -> list[dict[str, Any]]:
    """What ps shows; two of one name while one replaces the other."""
    found: list[dict[str, Any]] = json.loads(site.must("ps", "--json").out)
    return found


def described(site: Site, victims: Sequence[str]) -> str:
    """What somebody needs to know who finds this test red."""
    log = "\n".join(site.log("-s", "slug-run").splitlines()[-60:])
    running = (shown(site), site.processes(), commands_running(site))
    return f"{victims}\n{known(site)}\n{running}\n{log}\n{site.errors()[-3000:]}"


def commands_running(site: Site) -> Counter[str]:
    """How many processes each container of ours has, by the variable that names it."""
    found: Counter[str] = Counter()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if line.startswith((b"/usr/bin/python3\0server.py", b"sleep\x00100000")):
                    environ = (entry / "environ").read_bytes().split(b"\0")
                    if f"MARK={site.home}".encode() in environ:
                        names = [x[5:].decode() for x in environ if x.startswith(b"DYNO=")]
                        found.update(names)
    return found


def test_whoever_is_killed_state_and_containers_are_never_lost_and_never_doubled(
    site: Site,
) -> None:
    chance = random.Random(SEED)
    print(f"SLUGKIT_SEED={SEED}")
    mark(site)
    site.start("web=2", "worker=1", "idle=1")
    killed: Counter[str] = Counter()
    with requests(site) as counts:
        for _ in range(ROUNDS):
            before = site.pids()
            victims = chance.choice((*((each,) for each in VICTIMS), *PAIRS))
            command = KilledCommand(site, chance) if "cli" in victims else None
            for victim in victims:
                if victim != "cli":
                    kill(site, victim)
                killed[victim] += 1
            if command is not None:
                command.kill()
            time.sleep(chance.random() * 0.3)
            until(lambda: is_whole(site), explain=partial(described, site, victims))
            after = site.pids()
            if command is None:
                kept = set(before) - ({"worker.1"} if "init" in victims else set())
                assert {x: after[x] for x in kept} == {x: before[x] for x in kept}, victims
            if "init" in victims:
                site.must("restart", "worker.1")  # or the pauses after crashes grow to a minute
    print(f"{ROUNDS} rounds: killed {dict(killed)}; requests {dict(counts)}")
    assert counts["wrong"] == 0
    assert counts["answered"] > ROUNDS
    runs = site.runs()
    assert len(runs) == 1
    site.must("stop")
    assert site.left_behind(runs) == []


def mark(site: Site) -> None:
    """A config var that only this test's containers have."""
    with opened_state(site.home) as state:
        current = state.current(site.app)
        assert current is not None
        new = NewRelease(
            slug=current.slug,
            config_vars={"MARK": str(site.home)},
            description="Set MARK",
            who="me",
        )
        state.add_release(site.app, lambda _: new)


def test_no_line_is_lost_or_doubled_while_supervisor_and_keeper_are_killed(site: Site) -> None:
    chance = random.Random(SEED)
    site.start("web=0", "worker=1")
    for _ in range(max(3, ROUNDS // 2)):
        kill(site, chance.choice(("supervisor", "keeper")))
        time.sleep(chance.random() * 0.4)
        # Who kills both at once ends the containers as well: that is the next test's.
        until(lambda: {"keeper", "supervisor"} <= set(site.processes()))
    until(lambda: "line 20" in site.log())
    site.must("scale", "worker=0")
    numbers = [
        int(found) for found in re.findall(r"app\[worker\.1\]: line (\d+)$", site.log(), re.M)
    ]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 10


def test_both_killed_at_once_ends_the_containers_and_the_next_command_starts_all(
    site: Site,
) -> None:
    site.start("web=1", "idle=1")
    before, runs = site.pids(), site.runs()
    processes = site.processes()
    for victim in ("keeper", "supervisor"):
        os.kill(processes[victim], signal.SIGKILL)
    until(lambda: not alive(before.values()))
    assert "caddy" not in site.processes()
    site.must("restart")
    assert set(site.pids()) == set(before)
    assert site.get() == "web.1 "
    for name in before:
        assert f"slug-run[{name}]: {LOST}" in site.log("-d", name)
    assert not set(runs) & set(site.runs())
    assert left_of(site, runs) == []


def left_of(site: Site, runs: list[str]) -> list[str]:
    """What a dead run has left, apart from what belongs to the one that lives."""
    return [each for each in site.left_behind(runs) if str(site.home) not in each]


def alive(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return False


def test_a_supervisor_that_is_killed_while_it_starts_containers_leaves_none_unknown(
    site: Site,
) -> None:
    chance = random.Random(SEED)
    mark(site)
    site.start("web=0")
    for _ in range(max(3, ROUNDS // 2)):
        count = chance.randrange(2, 6)
        thread = threading.Thread(target=site.run, args=("scale", f"idle={count}"))
        thread.start()
        time.sleep(0.15 + chance.random() * 0.35)
        kill(site, "supervisor")
        thread.join()
        names = [f"idle.{n}" for n in range(1, count + 1)]
        until(lambda names=names: all_up(site, names))  # type: ignore[misc]  # bound now
        until(lambda names=names: commands_running(site) == Counter(names))  # type: ignore[misc]  # as above
        site.must("scale", "idle=0")


def all_up(site: Site, names: Sequence[str]) -> bool:
    states = {name: each["state"] for name, each in site.containers().items()}
    return states == dict.fromkeys(names, "up")


def test_a_supervisor_killed_between_giving_back_and_forgetting_leaves_the_true_status(
    site: Site,
) -> None:
    site.start("web=1")
    processes, root = site.processes(), site.home / "run" / site.runs()[0]
    (record,) = (root / "records").glob("web.1-*.json")
    token = parse_token(json.loads(record.read_text())["token"])
    os.kill(processes["keeper"], signal.SIGSTOP)
    os.kill(processes["supervisor"], signal.SIGKILL)
    assert token.init is not None
    for pid in descendants(token.init.pid):
        os.kill(pid, signal.SIGTERM)
    status = root / "records" / f"{token.key}.status"
    until(lambda: read_exit_code(status) == 143)
    # What it would have done next, up to the moment that counts.
    assert token.forward is not None
    SlirpApi(sockets_root(site.env) / root.name / "slirp.sock").remove_forward(token.forward)
    remove_tree(root / token.key)
    os.kill(processes["keeper"], signal.SIGCONT)
    until(lambda: all_up(site, ["web.1"]))
    assert site.get() == "web.1 "
    assert "Process exited with status 143" in site.log("-d", "web.1")
    assert site.errors() == ""
    assert [each.stem for each in (root / "records").glob("*.status")] == ["web.1-2"]


def test_a_network_that_was_killed_is_made_anew(site: Site) -> None:
    site.start("web=1")
    run, supervisor = site.runs()[0], site.processes()["supervisor"]
    slirp = next(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and f"{run}/slirp.sock" in cmdline(entry)
    )
    os.kill(slirp, signal.SIGKILL)
    until(lambda: site.runs() != [run] and bool(site.runs()))
    until(lambda: all_up(site, ["web.1"]))
    assert site.get() == "web.1 "
    assert site.processes()["supervisor"] == supervisor
    assert site.errors() == ""


def cmdline(entry: Path) -> str:
    with contextlib.suppress(OSError):
        return (entry / "cmdline").read_bytes().decode(errors="replace")
    return ""
