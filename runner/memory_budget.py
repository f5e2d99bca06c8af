"""Whether the machine's memory can hold what is asked for, before anything is started.

Memory is not reserved: a container takes what it needs, up to its quota and beyond (sizes.py). So
what is expected of one more is what the largest of its process type uses now. Where none runs, it
is an eighth of the quota: 64 MiB for standard-1x, about what a small Python web app takes. Files
that ``--disk`` keeps in memory are part of that, but where limits are soft: there they are in
nobody's account, and all that may be written is expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from runner.engines.base import Limits
from runner.formation import Formation
from runner.sizes import find_size

if TYPE_CHECKING:
    from runner.state.values import WantedCount

MEMINFO = Path("/proc/meminfo")
UNKNOWN = 8
"""the share of its quota that a container of unknown appetite is expected to take"""

Usages = Sequence[Mapping[str, object]]


@value
class Demand:
    """More containers of one process type, and how much each will probably use."""

    process_type: str
    more: int
    each: int
    is_measured: bool
    disk: int = 0
    """what each may write beside that, into memory"""

    @property
    def needed(self) -> int:
        return self.more * (self.each + self.disk)

    @property
    def text(self) -> str:
        known = "what the largest of them uses" if self.is_measured else "an eighth of its quota"
        files = f", and {_shown(self.disk)} of --disk" if self.disk else ""
        return f"{self.process_type}: {self.more} more of {_shown(self.each)}, {known}{files}"


class NotEnoughMemoryError(SlugkitError):
    """More containers than the machine's memory can hold."""

    exit_code = ExitCode.TRY_AGAIN
    id = "not-enough-memory"

    def __init__(self, demands: Sequence[Demand], free: int) -> None:
        self.demands, self.free = tuple(demands), free
        self.needed = sum(demand.needed for demand in demands)
        super().__init__(
            "This machine has not enough memory for that",
            details="\n".join(
                (
                    *(f"- {demand.text}" for demand in demands),
                    f"Needed: {_shown(self.needed)}. Free: {_shown(free)}. Nothing was changed.",
                )
            ),
            resolution="Ask for fewer, stop something else, or insist with --overcommit: the\n"
            "kernel then kills processes when there is no memory left.",
        )


def read_free(meminfo: Path = MEMINFO) -> int | None:
    """Bytes that programs can still take without swapping; None where nobody says."""
    for line in meminfo.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def uncounted(disk: int | None) -> int:
    """Of ``--disk``, what is in no container's account: all of it where limits are soft."""
    if disk is None:
        return 0
    from buildpack.support.hierarchies import find_hierarchies  # few ask for --disk

    return 0 if find_hierarchies() else disk


def find_demands(
    wanted: Iterable[WantedCount], usages: Usages, *, disk: int = 0
) -> tuple[Demand, ...]:
    """What has to be started for ``wanted``, next to what runs. ``disk`` is ``uncounted``."""
    found = []
    for count in wanted:
        here = [each for each in usages if _type(each) == count.process_type]
        used = [memory for each in here if isinstance(memory := each["memory_bytes"], int)]
        more = count.quantity - len(used)
        if more > 0:
            expected = find_size(count.size).memory // UNKNOWN
            each = max(used, default=expected)
            found.append(
                Demand(
                    process_type=count.process_type,
                    more=more,
                    each=each,
                    is_measured=bool(used),
                    disk=disk,
                )
            )
    return tuple(found)


def formation_demands(formation: Formation, limits: Limits) -> tuple[Demand, ...]:
    """The same for an attached run, of which nothing runs yet."""
    each, disk = (limits.quota or limits.memory or 0) // UNKNOWN, uncounted(limits.disk)
    return tuple(
        Demand(process_type=name, more=quantity, each=each, is_measured=False, disk=disk)
        for name, quantity in formation.quantities.items()
    )


def require_memory(demands: Sequence[Demand], free: int | None) -> None:
    """Raise NotEnoughMemoryError unless all of them fit: all or none are started."""
    if free is not None and sum(demand.needed for demand in demands) > free:
        raise NotEnoughMemoryError(demands, free)


def quota_warning(wanted: Iterable[WantedCount], usages: Usages, free: int | None) -> str | None:
    """What to say when all quotas together are more than there is; None when they fit."""
    quotas = sum(count.quantity * find_size(count.size).memory for count in wanted)
    used = sum(memory for each in usages if isinstance(memory := each["memory_bytes"], int))
    if free is None or quotas <= free + used:
        return None
    return (
        f"Their quotas are {_shown(quotas)} of memory together, and this machine has"
        f" {_shown(free + used)} for them"
    )


def _type(usage: Mapping[str, object]) -> str:
    return str(usage["name"]).rpartition(".")[0]


def _shown(count: int) -> str:
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GiB"
    return f"{count / (1 << 20):.0f} MiB"
