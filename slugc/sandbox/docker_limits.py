"""What a build container has used, beside what the Engine tells: kernel counts, and the disk."""

from __future__ import annotations

from pathlib import Path

from slugc.sandbox.build_group import Counts
from slugc.sandbox.disk_watch import Room
from slugc.sandbox.open_files import nameless_room, parent_of

END_LEFTOVERS = """\
kill -KILL -1 2>/dev/null
for file in memory/memory.oom_control memory.events pids/pids.events pids.events; do
  if [ -r "/sys/fs/cgroup/$file" ]; then
    while read -r name count; do echo "${file##*/} $name $count"; done <"/sys/fs/cgroup/$file"
  fi
done
"""
"""Ends what a phase left in the background; process 1, which sleeps and buries them, stays. Then
tells what the kernel counted, in the one call: each takes some 50 ms."""


def parse_counts(said: str) -> Counts:
    """The counts that END_LEFTOVERS prints, of cgroups v1 or v2."""
    words = [line.split() for line in said.splitlines()]
    counts = {(file.partition(".")[0], name): int(count) for file, name, count in words}
    return Counts(
        killed=counts.get(("memory", "oom_kill"), 0), refused=counts.get(("pids", "max"), 0)
    )


def nameless_in(first: int, place: Path) -> Room:
    """Deleted files that a container holds open; ``first`` is its first process here.

    What the Engine starts in a running container has the same parent as that one.
    """
    parent = parent_of(first)
    return (
        nameless_room((parent,), place) if parent > 1 else Room()
    )  # else it is not of this machine
