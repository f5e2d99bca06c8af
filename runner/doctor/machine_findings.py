"""What else a run meets: the port, the load balancer, the clock, the data directory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from buildpack.support.errors import SlugkitError
from runner.doctor.findings import Finding, Verdict, fail, from_error, ok, warn
from runner.engines import ENGINE_NAMES
from runner.engines.left_sockets import left_sockets
from runner.engines.rundir import dead_runs
from runner.errors import PortInUseError
from runner.front import DEFAULT_PORT, find_caddy
from runner.ports import ensure_port_free
from runner.state.database import check_database
from runner.state.state import FILE

LITTLE, TOO_LITTLE = 1 << 30, 100 << 20  # an app's layers are some 100 MiB
# Project quotas would take a file system made and mounted for them (tune2fs -O project,quota and
# prjquota), and rights that an ordinary user does not have; what is in memory needs neither.
DISK_QUOTA = ok(
    "disk quotas",
    "what is written under /app is bounded by the disk; --disk SIZE keeps it in memory, bounded",
)
FEW_FILES = 20_000  # a virtual environment has some 10,000


def port_finding(port: int = DEFAULT_PORT) -> Finding:
    """Whether the port that is taken without --port is free. A running app is no fault."""
    try:
        ensure_port_free(port)
    except PortInUseError as err:
        return from_error(f"port {port}", err, Verdict.WARN)
    return ok(f"port {port}", "free")


def caddy_finding(env: Mapping[str, str]) -> Finding:
    path = find_caddy(env)
    if path is None:
        found = "not installed: several web containers have an address each, and none for all"
        return warn("Caddy", found, "apt install caddy")
    return ok("Caddy", path)


def clock_finding(now: float, newest: float) -> Finding:
    """A clock that stands before our own files makes certificates invalid and logs absurd."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < newest - 86400:
        return fail("clock", f"{shown}, which is before Slugkit was installed", "set the clock")
    return ok("clock", shown)


def installed_at() -> float:
    return Path(__file__).stat().st_mtime


def data_findings(path: Path, sockets: Path) -> tuple[Finding, ...]:
    """The data directory: whether it can be used, its room, what is in it and in ``sockets``.

    Nothing is made.
    """
    return (_place(path), room_finding(path), DISK_QUOTA, _state(path), _runs(path, sockets))


def _place(path: Path) -> Finding:
    there = _nearest(path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        found = f"{path} cannot be used: {there} may not be written to"
        return fail("data directory", found, "choose another with SLUGKIT_HOME")
    return ok("data directory", f"{path}" if there == path else f"{path} (not made yet)")


def room_finding(path: Path) -> Finding:
    there = _nearest(path)
    free = shutil.disk_usage(there).free
    files = os.statvfs(there)
    shown = f"{free / (1 << 30):.1f} GiB free"
    if free < TOO_LITTLE:
        return fail("disk", f"{free >> 20} MiB free in {there}", "make room: slugc prune")
    if files.f_files and files.f_favail < FEW_FILES:
        return fail("disk", f"{shown}, but for {files.f_favail} files only", "remove files")
    if free < LITTLE:
        return warn("disk", f"{free >> 20} MiB free in {there}", "make room: slugc prune")
    return ok("disk", shown)


def _state(data: Path) -> Finding:
    path = data / FILE
    try:
        if not path.exists():
            return ok(FILE, "not made yet: no apps")
        check_database(path)
    except SlugkitError as err:
        return from_error(FILE, err)
    except PermissionError:
        return fail(FILE, f"{path} may not be read", "start as whoever owns it")
    return ok(FILE, "whole")


def _runs(data: Path, sockets: Path) -> Finding:
    try:
        dead = [run for engine in ENGINE_NAMES for run in dead_runs(data, engine=engine)]
    except PermissionError:
        return warn("stale runs", f"{data} may not be looked into", "start as whoever owns it")
    if dead:
        found = f"{len(dead)} that were killed left files: {', '.join(dead[:5])}"
        return warn("stale runs", found, "nothing: the next start removes them")
    if left := left_sockets(sockets):
        found = f"{len(left)} killed ones of other data directories left files in {sockets}"
        return warn("stale runs", found, "nothing: the next run that ends removes them")
    return ok("stale runs", "none")


def _nearest(path: Path) -> Path:
    """``path``, or the directory it would be made in."""
    return next(each for each in (path, *path.parents) if os.path.lexists(each))


def now() -> float:
    return time.time()
