"""What is expected of more containers, and the words when memory does not hold them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from buildpack.support import hierarchies
from buildpack.support.errors import ExitCode
from runner.engines.base import Limits
from runner.formation import Formation
from runner.memory_budget import (
    MEMINFO,
    Demand,
    NotEnoughMemoryError,
    find_demands,
    formation_demands,
    quota_warning,
    read_free,
    require_memory,
    uncounted,
)
from runner.state.values import WantedCount
from slugc.procfile import ProcessType

MIB, GIB = 1 << 20, 1 << 30


def count(name: str, quantity: int, size: str = "") -> WantedCount:
    return WantedCount(process_type=ProcessType(name), quantity=quantity, size=size)


def usage(name: str, megabytes: int | None) -> dict[str, object]:
    return {"name": name, "memory_bytes": None if megabytes is None else megabytes * MIB}


def test_more_of_what_runs_takes_what_the_largest_of_them_uses() -> None:
    usages = [usage("web.1", 100), usage("web.2", 180), usage("worker.1", 900)]
    assert find_demands([count("web", 5), count("worker", 1)], usages) == (
        Demand(process_type="web", more=3, each=180 * MIB, is_measured=True),
    )


def test_of_what_does_not_run_yet_an_eighth_of_the_quota_is_expected() -> None:
    assert find_demands([count("web", 2), count("big", 1, "standard-2x")], []) == (
        Demand(process_type="web", more=2, each=64 * MIB, is_measured=False),
        Demand(process_type="big", more=1, each=128 * MIB, is_measured=False),
    )


def test_fewer_or_as_many_need_nothing_and_crashed_ones_are_not_there() -> None:
    usages = [usage("web.1", 100), usage("web.2", None)]
    assert find_demands([count("web", 1)], usages) == ()
    assert [demand.more for demand in find_demands([count("web", 2)], usages)] == [1]


def test_what_fits_is_let_pass_and_so_is_everything_where_nobody_says_what_is_free() -> None:
    demands = find_demands([count("web", 100)], [])
    require_memory(demands, 100 * 64 * MIB)
    require_memory(demands, None)


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    wanted = [count("web", 100), count("worker", 1)]
    demands = find_demands(wanted, [usage("web.1", 180)])
    with pytest.raises(NotEnoughMemoryError) as caught:
        require_memory(demands, 3 * GIB)
    assert caught.value.exit_code is ExitCode.TRY_AGAIN
    assert caught.value.text() == (
        "This machine has not enough memory for that\n\n"
        "- web: 99 more of 180 MiB, what the largest of them uses\n"
        "- worker: 1 more of 64 MiB, an eighth of its quota\n"
        "Needed: 17.5 GiB. Free: 3.0 GiB. Nothing was changed.\n\n"
        "Ask for fewer, stop something else, or insist with --overcommit: the\n"
        "kernel then kills processes when there is no memory left."
    )


def test_an_attached_run_is_judged_by_its_limit() -> None:
    formation = Formation(quantities=MappingProxyType({ProcessType("web"): 50}))
    (demand,) = formation_demands(formation, Limits(memory=GIB))
    assert (demand.more, demand.each) == (50, 128 * MIB)
    (unlimited,) = formation_demands(formation, Limits(memory=None))
    assert unlimited.needed == 0


def test_quotas_that_are_more_than_there_is_are_warned_of() -> None:
    assert quota_warning([count("web", 2)], [], GIB) is None
    assert quota_warning([count("web", 3)], [usage("web.1", 100)], GIB) == (
        "Their quotas are 1.5 GiB of memory together, and this machine has 1.1 GiB for them"
    )
    assert quota_warning([count("web", 100)], [], None) is None


def test_what_is_free_is_read_from_the_kernel(tmp_path: Path) -> None:
    free = read_free(MEMINFO)
    assert free is not None
    assert free > 16 * MIB
    (tmp_path / "old").write_text("MemTotal: 1 kB\n")
    assert read_free(tmp_path / "old") is None


def test_files_in_memory_are_expected_whole_where_limits_are_soft(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hierarchies, "find_hierarchies", lambda: None)
    assert uncounted(None) == 0
    (demand,) = find_demands([count("web", 3)], [usage("web.1", 100)], disk=uncounted(40 * MIB))
    assert demand.needed == 2 * 140 * MIB
    assert demand.text == (
        "web: 2 more of 100 MiB, what the largest of them uses, and 40 MiB of --disk"
    )
    formation = Formation(quantities=MappingProxyType({ProcessType("web"): 2}))
    (attached,) = formation_demands(formation, Limits(memory=GIB, disk=40 * MIB))
    assert attached.needed == 2 * (128 + 40) * MIB


def test_files_in_memory_are_part_of_the_quota_where_the_kernel_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = hierarchies.Hierarchies(
        v2=None, v1=MappingProxyType({"memory": Path("/sys/fs/cgroup/memory")})
    )
    monkeypatch.setattr(hierarchies, "find_hierarchies", lambda: there)
    assert uncounted(40 * MIB) == 0
