"""Whose a container is: labels that let the next run clear away what a killed one left behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.engines.docker.daemon import Daemon

APP, TYPE, RUN, INSTANCE = (f"io.slugkit.{name}" for name in ("app", "type", "run", "instance"))
OWNER = "io.slugkit.owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """One process, so exactly that no other, before or after it, is taken for it."""

    host: str
    boot: str
    pid_namespace: str
    pid: int
    started: str
    """ticks since boot, /proc/PID/stat field 22: process ids are used again"""

    @property
    def label(self) -> str:
        parts = (self.host, self.boot, self.pid_namespace, str(self.pid), self.started)
        return " ".join(parts)


def this_process(*, proc: Path = Path("/proc")) -> Owner:
    """The owner of what we start."""
    pid = os.getpid()
    return Owner(
        host=machine(),
        boot=(proc / "sys/kernel/random/boot_id").read_text().strip(),
        pid_namespace=(proc / "self/ns/pid").readlink().name,
        pid=pid,
        started=_start_time(pid, proc) or "0",
    )


def machine(machine_id: Path = Path("/etc/machine-id")) -> str:
    """Its name, and its number if it has one: two called localhost may share an Engine."""
    try:
        number = machine_id.read_text("ascii").strip()
    except (OSError, ValueError):
        number = ""
    return f"{socket.gethostname()}/{number}" if number else socket.gethostname()


def parse_owner(label: str) -> Owner | None:
    """An owner from its label; None when it is none of ours."""
    parts = label.split(" ")
    if len(parts) != 5 or not parts[3].isdigit():
        return None
    host, boot, pid_namespace, pid, started = parts
    return Owner(host=host, boot=boot, pid_namespace=pid_namespace, pid=int(pid), started=started)


def is_dead(owner: Owner, here: Owner, *, proc: Path = Path("/proc")) -> bool:
    """Whether ``owner`` has certainly ended, judged from where ``here`` runs.

    One that cannot be seen from here, on another machine or in another container, counts as alive.
    """
    if owner.host != here.host:
        return False
    if owner.boot != here.boot:
        return True
    if owner.pid_namespace != here.pid_namespace:
        return False
    return _start_time(owner.pid, proc) != owner.started


def sweep(daemon: Daemon, here: Owner) -> tuple[str, ...]:
    """Remove containers, then networks, whose run is dead; returns the containers' names."""
    removed = []
    for found in daemon.find_containers(OWNER):
        if _is_abandoned(found.labels, here):
            daemon.remove(found.id)
            removed.append(found.labels.get(INSTANCE, found.id[:12]))
    for found in daemon.find_networks(OWNER):
        if _is_abandoned(found.labels, here):
            daemon.remove_network(found.id)
    return tuple(removed)


def _is_abandoned(labels: Mapping[str, str], here: Owner) -> bool:
    owner = parse_owner(labels.get(OWNER, ""))
    return owner is not None and is_dead(owner, here)


def _start_time(pid: int, proc: Path) -> str | None:
    try:
        stat = (proc / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:  # no such process
        return None
    # The name, in parentheses, may hold spaces and parentheses of its own.
    return stat.rpartition(")")[2].split()[19]
