"""When R14, R15 and runtime metrics are said, on groups of files and a clock that a test turns."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from buildpack.support.cgroups import Cgroup
from runner.metrics.gauges import Gauges
from runner.metrics.load import Load

MIB = 1 << 20
LARGER = "a larger size raises it: slug-run scale web=N:SIZE"


@dataclass(frozen=True)
class Launched:
    init_pid: int | None = None


@dataclass
class Container:
    cgroup: Cgroup | None
    launched: Launched = field(default_factory=Launched)
    id: str = "run-web.1-1"
    kills: int = 0

    def kill(self) -> None:
        self.kills += 1


@dataclass(frozen=True)
class Record:
    key: str = "web.1-1"
    name: str = "web.1"
    size: str = "standard-1x"
    began: float = 2000.0


@dataclass
class Living:
    container: Container
    record: Record = field(default_factory=Record)
    told_kills: int = 0


class Group:
    """A control group of version 1, as files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cgroup = Cgroup(dirs=dict.fromkeys(("memory", "pids", "cpu"), root), is_v2=False)
        (root / "cpuacct.usage").write_text("0\n")
        (root / "tasks").write_text("")
        (root / "pids.current").write_text("4\n")
        self.set()

    def set(self, memory: int = 100, files: int = 0, kills: int = 0, refused: int = 0) -> None:
        """``memory`` and ``files`` in MiB; files are cache that can be taken back."""
        stat = {
            "total_cache": files * MIB,
            "total_rss": memory * MIB,
            "total_swap": 0,
            "total_pgpgin": 10,
            "total_pgpgout": 5,
            "total_inactive_file": files * MIB,
            "total_active_file": 0,
        }
        lines = "".join(f"{name} {number}\n" for name, number in stat.items())
        (self.root / "memory.stat").write_text(lines)
        (self.root / "memory.usage_in_bytes").write_text(f"{(memory + files) * MIB}\n")
        (self.root / "memory.oom_control").write_text(f"under_oom 0\noom_kill {kills}\n")
        (self.root / "pids.events").write_text(f"max {refused}\n")


class Stage:
    """Gauges of one container."""

    def __init__(self, living: Living) -> None:
        self.now, self.lines, self.has_metrics = 1000.0, list[str](), False
        self.lives = [living]
        self.gauges = Gauges(
            lambda: self.lives,
            lambda name, text: self.lines.append(f"{name}: {text}"),
            has_metrics=lambda: self.has_metrics,
            clock=lambda: self.now,
        )

    def go(self, seconds: float) -> list[str]:
        """What is said meanwhile."""
        end, self.lines = self.now + seconds, []
        while (due := self.gauges.due()) is not None and due <= end:
            self.now = due
            self.gauges.attend()
        self.now = end
        return self.lines


def test_nothing_is_due_without_containers_and_nothing_said_while_all_is_well(
    tmp_path: Path,
) -> None:
    stage = Stage(Living(Container(Group(tmp_path).cgroup)))
    assert stage.gauges.due() == 1005.0
    assert stage.go(60) == []
    stage.lives = []
    assert stage.gauges.due() is None


def test_r14_is_said_within_five_seconds_and_again_every_twenty(tmp_path: Path) -> None:
    group = Group(tmp_path)
    stage = Stage(Living(Container(group.cgroup)))
    group.set(memory=528)
    said = [
        "web.1: Process running mem=528M(103.1%)",
        "web.1: Error R14 (Memory quota exceeded)",
    ]
    assert stage.go(5) == said
    assert stage.go(19) == []
    assert stage.go(1) == said
    group.set(memory=500)
    assert stage.go(60) == []


def test_files_that_the_kernel_has_read_are_not_held_against_a_container(tmp_path: Path) -> None:
    group = Group(tmp_path)
    stage = Stage(Living(Container(group.cgroup)))
    group.set(memory=400, files=500)
    assert stage.go(60) == []


def test_a_larger_size_has_a_larger_quota(tmp_path: Path) -> None:
    group = Group(tmp_path)
    stage = Stage(Living(Container(group.cgroup), Record(size="standard-2x")))
    group.set(memory=1000)
    assert stage.go(5) == []
    group.set(memory=1100)
    assert stage.go(5)[0] == "web.1: Process running mem=1100M(107.4%)"


def test_r15_is_said_of_a_process_whose_container_goes_on(tmp_path: Path) -> None:
    group = Group(tmp_path)
    living = Living(Container(group.cgroup))
    stage = Stage(living)
    group.set(kills=1)
    assert stage.go(20) == [
        "web.1: Error R15 (Memory quota vastly exceeded) -> one of its processes was killed at"
        f" 1024M; {LARGER}"
    ]
    assert living.told_kills == 1
    group.set(kills=4)
    assert "3 of its processes were killed" in stage.go(5)[0]


def test_what_was_told_before_us_is_not_told_again(tmp_path: Path) -> None:
    group = Group(tmp_path)
    group.set(kills=2, refused=7)
    stage = Stage(Living(Container(group.cgroup), Record(began=500.0)))
    assert stage.go(60) == []
    group.set(kills=2, refused=8)
    assert len(stage.go(5)) == 1


def test_refused_processes_are_counted_and_said_every_twenty_seconds(tmp_path: Path) -> None:
    group = Group(tmp_path)
    stage = Stage(Living(Container(group.cgroup)))
    group.set(refused=24)
    assert stage.go(5) == [
        "web.1: Process limit reached (256 processes and threads) -> 24 more were refused;"
        f" {LARGER}"
    ]
    group.set(refused=30)
    assert stage.go(15) == []
    group.set(refused=36)
    assert "-> 12 more were refused" in stage.go(5)[0]


def test_runtime_metrics_are_said_every_twenty_seconds_once_asked_for(tmp_path: Path) -> None:
    group = Group(tmp_path)
    stage = Stage(Living(Container(group.cgroup)))
    group.set(memory=21, files=2)
    stage.has_metrics = True
    said = [
        "web.1: source=web.1 dyno=run-web.1-1 sample#load_avg_1m=0.00 sample#load_avg_5m=0.00"
        " sample#load_avg_15m=0.00",
        "web.1: source=web.1 dyno=run-web.1-1 sample#memory_total=23.00MB"
        " sample#memory_rss=21.00MB sample#memory_cache=2.00MB sample#memory_swap=0.00MB"
        " sample#memory_pgpgin=10pages sample#memory_pgpgout=5pages sample#memory_quota=512.00MB",
    ]
    assert stage.go(5) == said
    assert stage.go(40) == said * 2
    stage.has_metrics = False
    assert stage.go(40) == []


def test_without_a_group_nothing_is_asked_but_the_processes(tmp_path: Path) -> None:

    container = Container(None, Launched(init_pid=os.getpid()))
    stage = Stage(Living(container))
    stage.has_metrics = True
    load, memory = stage.go(5)
    assert "sample#load_avg_1m=" in load
    assert "memory_pgpgin" not in memory
    assert container.kills == 0


def test_a_container_that_ended_is_forgotten(tmp_path: Path) -> None:
    container = Container(None, Launched(init_pid=2**22 + 1))
    stage = Stage(Living(container))
    stage.has_metrics = True
    assert stage.go(30) == []


def test_the_load_average_comes_near_to_what_runs_and_fades() -> None:
    load = Load()
    for _ in range(60):
        load.add(2, seconds=20)
    one, five, fifteen = load.averages
    assert 1.99 < one <= 2
    assert 1.9 < five < one
    assert 1.4 < fifteen < five
    load.add(0, seconds=60)
    assert round(load.averages[0] / one, 3) == 0.368
