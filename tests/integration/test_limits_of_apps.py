"""What apps that are left running may use, what their log says of it, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildpack.support.hierarchies import find_hierarchies
from runner.engines.base import Limits
from runner.memory_budget import read_free
from tests.integration.embedded_support import STARTERS, Wanted, carry_out_as
from tests.integration.supervision_support import FILES, Site, deployed
from tests.integration.support import free_port
from tests.places import remove_place
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]
Test = Callable[..., None]
IS_SOFT = find_hierarchies() is None

R15 = "Error R15 (Memory quota vastly exceeded)"
LARGER = "a larger size raises it: slug-run scale"
FORKS = """\
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        time.sleep(0.1)
"""
SPREAD = """\
import os, time
for _ in range(3):
    os.fork()
kept = bytearray(b"x") * (160 << 20)
time.sleep(1000)
"""
HOLD = "import sys, time\nkept = bytearray(b'x') * (int(sys.argv[1]) << 20)\ntime.sleep(1000)\n"
FILL = """\
cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
head -c 40M /dev/zero > big; echo "wrote $(stat -c %s big)"
echo more > more || echo refused
echo "goes at $(cat /proc/self/oom_score_adj)"
rm big; echo again > more && echo "room $(cat more)"
exec sleep 100000
"""
PROCFILE = """\
web: exec /usr/bin/python3 server.py
idle: exec sleep 100000
above: exec /usr/bin/python3 hold.py 600
hog: exec /usr/bin/python3 hold.py 1200
child: /usr/bin/python3 hold.py 1200; exec sleep 100000
bomb: exec /usr/bin/python3 forks.py
spread: exec /usr/bin/python3 spread.py
fill: exec bash fill.sh
stubborn: trap '' TERM; echo deaf; while :; do sleep 0.1; done
"""
APP = {
    **FILES,
    "Procfile": PROCFILE,
    "forks.py": FORKS,
    "hold.py": HOLD,
    "spread.py": SPREAD,
    "fill.sh": FILL,
}


def only_where(holds: bool) -> Callable[[Test], Test | None]:
    """One half of these tests is about limits of the kernel, the other about those without it."""
    return lambda test: test if holds else None


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port(), files=APP)
    yield found
    found.must("stop", "--force")


def lines_of(site: Site, name: str) -> list[str]:
    """What the log has about a container, without the times."""
    return [line.partition(" ")[2] for line in site.log("-d", name).splitlines()]


def await_line(site: Site, name: str, text: str) -> str:
    """The first line about it with that text, once it is there."""

    def found() -> list[str]:
        return [line for line in lines_of(site, name) if text in line]

    until(lambda: bool(found()), lambda: f"{text!r} not in {site.log()}")
    return found()[0]


@pytest.fixture(scope="module")
def watched() -> Iterator[Site]:
    """An app whose containers use too much; what is said of it takes some seconds to be there."""
    root = Path(tempfile.mkdtemp(prefix="slugkit-test-"))
    root.chmod(0o711)
    found = deployed(root / "site", port=free_port(), files=APP)
    words = ("web=1", "idle=1", "above=1", "child=1", "hog=1", "bomb=1", f"spread={int(IS_SOFT)}")
    found.start(*words, "--metrics")
    yield found
    found.must("stop", "--force")
    remove_place(root)


def test_an_app_above_its_quota_goes_on_and_gets_r14(watched: Site) -> None:
    await_line(watched, "above.1", "Error R14 (Memory quota exceeded)")
    used = re.compile(r"Process running mem=6\d\dM\(1[12]\d\.\d%\)")
    until(lambda: used.search(watched.log()), watched.log)
    assert watched.containers()["above.1"]["state"] == "up"


@only_where(not IS_SOFT)
def test_an_app_far_above_its_quota_is_killed_and_gets_r15(watched: Site) -> None:
    name = "slug-run[hog.1]: "
    await_line(watched, "hog.1", "State changed from up to crashed")
    lines = [line for line in lines_of(watched, "hog.1") if line.startswith(name)]
    end = lines.index(f"{name}State changed from up to crashed")
    assert lines[end - 2 : end] == [
        f"{name}{R15} -> killed at the limit; {LARGER} hog=N:SIZE",
        f"{name}Process exited with status 137",
    ]


@only_where(not IS_SOFT)
def test_a_child_that_is_killed_for_memory_is_told_of_while_its_container_goes_on(
    watched: Site,
) -> None:
    assert await_line(watched, "child.1", "R15") == (
        f"slug-run[child.1]: {R15} -> one of its processes was killed at 1024M;"
        f" {LARGER} child=N:SIZE"
    )
    assert watched.containers()["child.1"]["state"] == "up"


@only_where(IS_SOFT)
def test_without_groups_the_supervisor_kills_what_many_processes_take_together(
    watched: Site,
) -> None:
    assert await_line(watched, "spread.1", "R15") == (
        f"slug-run[spread.1]: {R15} -> stopped at 1024M; {LARGER} spread=N:SIZE"
    )
    await_line(watched, "spread.1", "Process exited with status 137")


@only_where(IS_SOFT)
def test_without_groups_one_process_cannot_take_that_much_and_a_start_says_so(
    watched: Site,
) -> None:
    await_line(watched, "hog.1", "Process exited with status 1")
    notice = "Limits are soft here, for each process"
    assert notice not in watched.must("ps").err
    assert notice in watched.run("start", "-d").err


def test_a_fork_bomb_is_contained_and_told_of(watched: Site) -> None:
    assert re.fullmatch(
        r"slug-run\[bomb\.1\]: Process limit reached \(256 processes and threads\) ->"
        rf" (\d+ more were|further ones are) refused; {LARGER} bomb=N:SIZE",
        await_line(watched, "bomb.1", "Process limit reached"),
    )
    assert watched.get() == "web.1 "


def test_runtime_metrics_are_logged_once_they_are_asked_for(watched: Site) -> None:
    assert re.fullmatch(
        r"slug-run\[idle\.1\]: source=idle\.1 dyno=\S+ sample#load_avg_1m=\d+\.\d\d"
        r" sample#load_avg_5m=\d+\.\d\d sample#load_avg_15m=\d+\.\d\d",
        await_line(watched, "idle.1", "load_avg"),
    )
    assert re.fullmatch(
        r"slug-run\[idle\.1\]: source=idle\.1 dyno=\S+ sample#memory_total=\d+\.\d\dMB"
        r" sample#memory_rss=\d+\.\d\dMB sample#memory_cache=\d+\.\d\dMB"
        r" sample#memory_swap=0\.00MB( sample#memory_pgpg(in|out)=\d+pages)*"
        r" sample#memory_quota=512\.00MB",
        await_line(watched, "idle.1", "memory_total"),
    )


def test_what_is_written_has_a_limit_and_only_the_app_meets_it(site: Site) -> None:
    said = site.start("web=1", "fill=1", "--disk", "32M")
    assert said.code == 0
    lines: list[str] = []
    mark = "app[fill.1]: "

    def has_ended() -> bool:
        said = [line for line in lines_of(site, "fill.1") if line.startswith(mark)]
        lines[:] = [line.removeprefix(mark) for line in said]
        return "room again" in lines

    until(has_ended, site.log)
    assert f"wrote {32 << 20}" in lines
    assert "refused" in lines
    assert [line for line in lines if "No space left on device" in line]
    if find_hierarchies() is not None:
        assert lines[0] == str(512 << 20)  # what apps plan by is the quota
    (score,) = [line.removeprefix("goes at ") for line in lines if line.startswith("goes at ")]
    assert int(score) >= 300  # before the machine's own programs, when it has no memory left
    assert site.get() == "web.1 "
    assert site.containers()["fill.1"]["state"] == "up"


@pytest.mark.parametrize("starter", STARTERS)
def test_what_a_one_off_writes_has_a_limit_for_root_and_for_users(starter: str) -> None:
    words = "head -c 40M /dev/zero > big; stat -c %s big; echo t > /tmp/t && cat /tmp/t both"
    happened, _ = carry_out_as(starter, Limits(disk=16 << 20), [Wanted(command=words)])
    assert "No space left on device" in happened[0].output
    assert happened[0].output.endswith(f"{16 << 20}\nt\nhigh")


def test_more_than_memory_holds_is_refused_and_the_old_count_stays(site: Site) -> None:
    site.start("web=0", "idle=1")
    before = site.pids()
    said = site.run("scale", "stubborn=100:performance-2xl", "idle=2")
    assert said.code == 75
    assert "This machine has not enough memory for that\n" in said.err
    assert "- stubborn: 100 more of 15.8 GiB, an eighth of its quota\n" in said.err
    assert re.search(r"- idle: 1 more of \d+ MiB, what the largest of them uses\n", said.err)
    assert re.search(
        r"Needed: 1575\.\d GiB\. Free: \d+\.\d GiB\. Nothing was changed\.\n", said.err
    )
    assert "insist with --overcommit" in said.err
    assert site.pids() == before
    assert site.must("scale").out == "web=0:standard-1x idle=1:standard-1x\n"


def test_a_supervisor_that_cannot_answer_keeps_nobody_from_changing_what_is_wanted(
    site: Site,
) -> None:
    site.start("web=0", "idle=1")
    supervisor = site.processes()["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)
    argv = (sys.executable, "-m", "runner.main", "scale", "idle=2")
    with subprocess.Popen(argv, env=site.env, cwd="/", stderr=subprocess.PIPE) as scaling:
        try:
            assert scaling.stderr is not None
            said = scaling.stderr.readline()  # before it goes on to tell the supervisor
        finally:
            os.kill(supervisor, signal.SIGCONT)
        scaling.communicate(timeout=PATIENCE)
    assert said == b"Scaling polls: idle 1 => 2\n"
    assert scaling.returncode == 0
    assert set(site.pids()) == {"idle.1", "idle.2"}


def test_who_insists_is_warned_of_quotas_that_are_more_than_there_is(site: Site) -> None:
    site.start("web=0", "idle=1")
    words = ("idle=1:performance-2xl", "web=1:performance-2xl")
    said = site.must("scale", *words, "--overcommit")
    assert re.search(
        r"^ !     Their quotas are 252\.0 GiB of memory together, and this machine has \d+\.\d GiB"
        r" for them$",
        said.err,
        re.M,
    )
    assert set(site.pids()) == {"idle.1", "web.1"}
    said = site.must("scale", "--reset")
    assert said.out == "Now running web at 1:standard-1x, idle at 0:standard-1x\n"


def test_an_attached_start_is_refused_as_well(site: Site) -> None:
    free = read_free()
    assert free is not None
    each = free * 8 // 100 // (1 << 20) + 64
    said = site.run("web=100", "--app", "polls", "--memory", f"{each}M")
    assert said.code == 75
    assert "- web: 100 more of " in said.err
    assert site.run("start", "--metrics", "--app", "polls").code == 64


def test_force_kills_what_hangs_without_waiting(site: Site) -> None:
    site.start("web=0", "stubborn=2")
    until(lambda: site.log().count("]: deaf") == 2)
    before = site.pids()
    site.must("stop", "stubborn.1", "--force")
    after = site.pids()
    assert after["stubborn.1"] != before["stubborn.1"]
    assert after["stubborn.2"] == before["stubborn.2"]
    runs = site.runs()
    said = site.must("stop", "--force")
    assert said.err.count("status 137") == 2
    assert "Error R12" not in site.log()
    assert site.left_behind(runs) == []


def test_force_kills_a_one_off_that_hangs(site: Site) -> None:
    said = site.must("run", "--detach", "--", "stubborn")
    (name,) = re.findall(r"run\.\d+", said.out.splitlines()[0])
    until(lambda: "deaf" in site.log("-d", name))
    site.must("stop", name, "--force")
    assert f"slug-run[{name}]: Process exited with status 137" in site.log("-d", name)


def test_ps_lists_those_that_are_named(site: Site) -> None:
    site.start("web=1", "idle=2")
    assert re.findall(r"^\S+(?=: up)", site.must("ps", "idle.2", "web").out, re.M) == [
        "web.1",
        "idle.2",
    ]
    assert [each["name"] for each in json.loads(site.must("ps", "idle", "--json").out)] == [
        "idle.1",
        "idle.2",
    ]
    said = site.run("ps", "idle.3")
    assert said.code == 64
    assert "polls has no container called 'idle.3'" in said.err
    (row,) = json.loads(site.must("ps", "web", "--json").out)
    assert row["restarts"] == 0
    os.kill(row["pid"], signal.SIGKILL)
    until(lambda: site.containers()["web.1"]["restarts"] == 1)


@only_where(not IS_SOFT)
def test_a_one_off_may_have_the_size_of_a_container(site: Site) -> None:
    show = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"
    said = site.run("run", "-s", "standard-2x", "--app", "polls", "--quiet", "--", show)
    assert said.out == f"{1 << 30}\n"
    assert site.run("run", "--app", "polls", "--no-exit-code", "exit 3").code == 0
    assert site.run("run", "--app", "polls", "--tty", "true").code == 64


USER_HOG = f"""\
exec {shutil.which("python3", path="/usr/bin") or "/usr/bin/python3"} -c '
kept = []
while True: kept.append(bytearray(b"x") * (1 << 20))
'"""


def test_a_memory_hog_of_an_ordinary_user_ends_at_its_limit() -> None:
    happened, notices = carry_out_as(
        "user", Limits(memory=64 << 20, quota=32 << 20), [Wanted(command=USER_HOG)]
    )
    assert happened[0].code != 0
    assert happened[0].oom_killed or "MemoryError" in happened[0].output
    assert notices == [] or notices[0].startswith("Limits are soft here")
