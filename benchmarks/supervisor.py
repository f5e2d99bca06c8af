"""What keeping an app costs: the supervisor of idle containers, over half a minute.

Heroku's runtime metrics are on, which is the most it does for an idle container. Memory is the
resident set, shared libraries included; its proportional share, and both of the keeper's, are for
information. Processor time is of both together, as a share of one core.

python -m benchmarks.supervisor [CONTAINERS]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from runner.metrics.processes import cpu_seconds
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port

CONTAINERS = 50
SECONDS = 30.0
SETTLE = 5.0  # seconds after the start, which is not what is measured
MOST_CPU = 0.01  # of one core
MOST_MEMORY = 40.0  # MiB


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MiB."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) / 1024
    return found["Rss"], found["Pss"]


def measured(site: Site, containers: int) -> bool:
    """Start them, look, say what was found; whether the claims hold."""
    site.start("web=0", f"idle={containers}", "--metrics")
    pids = [site.processes()[name] for name in ("keeper", "supervisor")]
    time.sleep(SETTLE)
    began, before = time.monotonic(), cpu_seconds(pids)
    time.sleep(SECONDS)
    share = (cpu_seconds(pids) - before) / (time.monotonic() - began)
    each = {name: memory(pid) for name, pid in zip(("keeper", "supervisor"), pids, strict=True)}
    for name, (rss, pss) in each.items():
        print(f"{name:<10} {rss:5.1f} MiB resident, {pss:5.1f} MiB proportional")
    resident = each["supervisor"][0]
    print(f"supervisor of {containers} idle containers")
    print(f"  {resident:.1f} MiB, at most {MOST_MEMORY:g}: {_verdict(resident, MOST_MEMORY)}")
    print(f"  {share:.2%} of a core, at most {MOST_CPU:.0%}: {_verdict(share, MOST_CPU)}")
    return resident <= MOST_MEMORY and share <= MOST_CPU


def _verdict(found: float, most: float) -> str:
    return "holds" if found <= most else "DOES NOT HOLD"


def main(argv: list[str]) -> int:
    root = Path(tempfile.mkdtemp(prefix="slugkit-bench-", dir="/var/tmp"))
    root.chmod(0o711)
    site = deployed(root / "site", port=free_port())
    try:
        return 0 if measured(site, int(argv[0]) if argv else CONTAINERS) else 1
    finally:
        site.must("stop", "--force")
        shutil.rmtree(root)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
