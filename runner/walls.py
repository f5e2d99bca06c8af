"""The walls: one list of isolation rules, which each engine turns into its own flags.

What a container may see of the host and how much it may use. What it may ask of the kernel stands
in `buildpack.support.syscalls`. Nothing here starts or mounts anything; the engines do.
"""

from __future__ import annotations

# The user inside every container. Never 0; to the kernel it is an ordinary id as well.
CONTAINER_UID = 1000
CONTAINER_GID = 1000
CONTAINER_USER = "app"

# Open files per process: Heroku's figure. Core dumps hold secrets: none are written.
MAX_OPEN_FILES = 10_000
MAX_CORE_SIZE = 0

# Writable memory file systems count as memory, so each has a size of its own.
TMP_SIZE = 256 * 1024 * 1024
SHM_SIZE = 64 * 1024 * 1024  # what Docker gives
RUN_SIZE = 16 * 1024 * 1024

# Entries of /proc that tell about the host or reach into it. Moby masks the same, and thermal
# data under /sys, which our containers do not have at all. Only those that exist are covered:
# binding over a missing one aborts the start.
MASKED_PROC_FILES = (
    "interrupts",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
)
MASKED_PROC_DIRS = ("acpi", "asound", "scsi")
