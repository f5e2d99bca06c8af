"""What is read of a control group that holds one process of 48 MiB, as JSON on standard output.

A program: ``test_cgroup_v2`` starts it in a Linux of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from buildpack.support.cgroups import create_cgroup
from buildpack.support.hierarchies import find_hierarchies
from runner.engines.base import Limits
from runner.metrics.from_cgroup import read_charged, read_group, threads_of

MIB = 1 << 20
HOLD = f"""
import sys
kept = bytearray(b"x") * ({48 * MIB})
for _ in range(10**6): pass
print("ready", flush=True)
sys.stdin.read()
"""


def main() -> None:
    hierarchies = find_hierarchies()
    assert hierarchies is not None
    cgroup = create_cgroup(hierarchies, "run", "web.1-1", Limits(memory=128 * MIB))

    def enter() -> None:
        for path in cgroup.entrances:
            path.write_text("0")

    with subprocess.Popen(
        (sys.executable, "-c", HOLD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=enter,  # noqa: PLW1509  # nobody else has a thread here
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        usage = read_group(cgroup)
        assert usage is not None
        found = {
            "memory": usage.memory // MIB,
            "rss": usage.rss // MIB,
            "charged": read_charged(cgroup) // MIB,
            "cpu_seconds": usage.cpu_seconds,
            "processes": usage.processes,
            "threads": len(threads_of(cgroup)),
            "is_v2": cgroup.is_v2,
        }
        process.communicate()
    cgroup.remove()
    json.dump({**found, "afterwards": read_group(cgroup), "uid": os.getuid()}, sys.stdout)


if __name__ == "__main__":
    main()
