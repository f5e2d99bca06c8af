"""One look at an app: everything that is shown, as it was at one moment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from buildpack.support.cgroups import Cgroup
from buildpack.support.values import NOTHING, value
from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.front import router_url
from runner.one_offs.notes import Note
from runner.one_offs.standing import running_one_offs
from runner.supervision.client import (
    NoAnswerYetError,
    SupervisorSilentError,
    ask,
    supervisor_dir,
)
from runner.supervision.wanted import parse_settings
from runner.top.machine import Machine, read_machine

PATIENCE = 5.0  # seconds for a supervisor's answer; then it is asked again at the next look

Row = Mapping[str, object]


@value
class Look:
    """What was seen."""

    at: float
    """monotonic"""
    clock: float
    """for people"""
    app: str
    release: str
    """``v7``, or empty"""
    url: str
    """or empty"""
    rows: tuple[Row, ...]
    requests: Mapping[str, Row] | None
    """by container (runner/router_log/traffic.py); None where nobody counts them"""
    machine: Machine
    trouble: str
    """why there is nothing to see; empty while there is"""


def take_look(opened: OpenedApp, env: Mapping[str, str]) -> Look:
    """Ask the supervisor, and look around."""
    answer, trouble = _ask(opened)
    found = answer.get("containers")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    one_offs = [_one_off_row(note) for note in running_one_offs(opened)]
    requests = answer.get("requests")
    current = opened.state.current(opened.app)
    return Look(
        at=time.monotonic(),
        clock=time.time(),
        app=opened.app.name,
        release="" if current is None else current.label,
        url=_url(opened, rows, env),
        rows=(*rows, *one_offs),
        requests=requests if isinstance(requests, dict) else None,
        machine=read_machine(),
        trouble="" if one_offs else trouble,
    )


def _ask(opened: OpenedApp) -> tuple[Row, str]:
    directory = supervisor_dir(app_dir(opened.data_dir, opened.app))
    name = opened.app.name
    try:
        answer = ask(name, directory, {"do": "usage"}, timeout=PATIENCE)
    except (NoAnswerYetError, SupervisorSilentError):
        return NOTHING, f"The supervisor of {name} does not answer yet"
    if answer is None:
        return NOTHING, f"{name} is not running: slug-run start -d --app {name}"
    if not answer.get("containers"):
        return answer, f"{name} runs no containers: slug-run scale web=1 --app {name}"
    return answer, ""


def _url(opened: OpenedApp, rows: Sequence[Row], env: Mapping[str, str]) -> str:
    settings = opened.state.supervision(opened.app)
    if settings is None or not any(str(row["name"]).startswith("web.") for row in rows):
        return ""
    told = parse_settings(settings)
    return router_url(told.bind, told.port, env) or ""


@value
class _Init:
    init_pid: int | None


@value
class _Measured:
    """A one-off, as runner/metrics takes containers."""

    launched: _Init
    cgroup: Cgroup | None = None


def _one_off_row(note: Note) -> Row:
    """As the supervisor has containers."""
    from runner.metrics.usage import read_usage

    init = None if note.init is None else note.init.pid
    usage = read_usage(_Measured(launched=_Init(init_pid=init)))
    return {
        "name": note.name,
        "state": "up",
        "since": note.since,
        "release": note.version,
        "size": "",
        "memory_bytes": None if usage is None else usage.memory,
        "memory_limit": note.memory,
        "cpu_seconds": None if usage is None else usage.cpu_seconds,
        "processes": None if usage is None else usage.processes,
        "process_limit": note.pids,
        "restarts": 0,
    }
