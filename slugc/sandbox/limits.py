"""How much a build may use, and the words when it would use more.

Where the kernel's groups cannot be had (build_group.py), limits that were asked for stand in for
each process alone, and a line says so; nobody who did not ask is told.
"""

from __future__ import annotations

import os
import re

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable
from buildpack.support.values import value

DEFAULT_PROCESSES = 4096  # more than any compiler starts; a fork bomb ends there
DEFAULT_FILES = 2_000_000  # ten times what a slug may hold; a bomb of empty files ends there
MEMORY_SHARE = 0.9  # of this machine's memory: its own OOM killer need not look for a victim
SMALLEST_MEMORY = 16 << 20  # less, and not even the shell of a phase starts


@value
class BuildLimits:
    """What one build may use. ``None`` is what nobody asked for, and the default then holds."""

    memory: int | None = None
    """bytes, the /tmp of containers and page cache included where it cannot be given up"""
    cpus: float | None = None
    """processors' worth of time"""
    processes: int | None = None
    """processes and threads"""
    disk: int | None = None
    """bytes that a build may write and leave in its work directory"""
    files: int | None = None
    """files of any kind, directories too, that may lie there"""

    @property
    def pids(self) -> int | None:
        """As the kernel's groups call it."""
        return self.processes

    @property
    def is_asked(self) -> bool:
        """Whether there is a limit that only a group holds, and somebody named it."""
        return any(each is not None for each in (self.memory, self.cpus, self.processes))

    def with_defaults(self, machine: int) -> BuildLimits:
        """With what holds where nobody asked, on a machine with so many bytes of memory."""
        return BuildLimits(
            memory=int(machine * MEMORY_SHARE) if self.memory is None else self.memory,
            cpus=self.cpus,
            processes=DEFAULT_PROCESSES if self.processes is None else self.processes,
            disk=self.disk,
            files=self.files,
        )


class SizeError(UsageError):
    """A size that is none."""

    id = "size"

    def __init__(self, text: str, flag: str, smallest: int) -> None:
        least = f"At least {shown_size(smallest)}" if smallest > 1 else "A number with a unit"
        super().__init__(
            f"'{printable(text)}' is not a size {flag} can take",
            resolution=f"{least}, for example:\n\n    slugc build {flag} 2G",
        )


class LimitReachedError(SlugkitError):
    """A build used all it may of something; the limit and its flag are named."""

    exit_code = ExitCode.DATA
    id = "limit-reached"

    def __init__(self, phase: str, what: str, *, flag: str, found: str, said: str = "") -> None:
        self.phase, self.what, self.flag = phase, what, flag
        details = f"{phase} {found}"
        super().__init__(
            f"The build was stopped at its {what} ({flag})",
            details=f"{details}\n\n{said}" if said else details,
            resolution=f"Allow it more with {flag}, or find out what uses so much.",
        )


def memory_reached(phase: str, limit: int, said: str = "") -> LimitReachedError:
    """The kernel killed a process of the build for want of memory."""
    return LimitReachedError(
        phase,
        f"memory limit of {shown_size(limit)}",
        flag="--memory",
        found="needed more, and the kernel ended a process of it.",
        said=said,
    )


def processes_reached(phase: str, limit: int, said: str = "") -> LimitReachedError:
    """The kernel refused the build another process."""
    return LimitReachedError(
        phase,
        f"limit of {limit} processes",
        flag="--processes",
        found="started more processes and threads at a time, and failed when\none was refused.",
        said=said,
    )


def disk_reached(phase: str, limit: int) -> LimitReachedError:
    """The build's files grew past what they may take."""
    return LimitReachedError(
        phase,
        f"disk limit of {shown_size(limit)}",
        flag="--disk",
        found="left more than that in the build dir, the cache, HOME and /tmp;\n"
        "files that are deleted and still open count, too.",
    )


def files_reached(phase: str, limit: int) -> LimitReachedError:
    """The build made more files than it may leave."""
    return LimitReachedError(
        phase,
        f"limit of {limit:,} files",
        flag="--files",
        found="left more files and directories than that in the build dir, the cache,\n"
        "HOME and /tmp.",
    )


def parse_size(text: str, flag: str, smallest: int = SMALLEST_MEMORY) -> int:
    """Bytes from ``512M``, ``2G``, ``1.5GiB``."""
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMGT]?)i?B?", text, re.IGNORECASE)
    size = 0
    if found:
        size = int(float(found[1]) * (1 << 10 * " KMGT".index(found[2].upper() or " ")))
    if size < smallest:
        raise SizeError(text, flag, smallest)
    return size


def shown_size(size: int) -> str:
    """``2G``, ``512M``: as it would be typed."""
    for shift, unit in ((30, "G"), (20, "M"), (10, "K")):
        if size >= 1 << shift:
            return f"{round(size / (1 << shift), 1):g}{unit}"
    return f"{size}"


def machine_memory() -> int:
    """Bytes of memory this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def soft_limits(limits: BuildLimits, *, has_group: bool) -> str | None:
    """What to say of limits that were asked for and do not hold as they should."""
    if has_group or not limits.is_asked:
        return None
    lost = "; the CPU limit does not hold at all" if limits.cpus is not None else ""
    return (
        f"Limits are soft here, for each process instead of the whole build{lost}: no cgroup\n"
        "access (start as root, or with systemd-run --user --scope -p Delegate=yes)"
    )


def soft_prefix(limits: BuildLimits) -> tuple[str, ...]:
    """What goes before a phase's program, inside the sandbox, where there is no group.

    There the kernel counts the processes of the sandbox's own user namespace (since Linux 5.14),
    not those of whoever builds. Memory as RLIMIT_DATA: address space only reserved is not used.
    """
    words = []
    if limits.memory is not None:
        words.append(f"--data={limits.memory}")
    if limits.processes is not None:
        words.append(f"--nproc={limits.processes}")
    return ("prlimit", *words, "--") if words else ()
