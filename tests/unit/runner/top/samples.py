"""Looks at an app that exists in tests only."""

from __future__ import annotations

from collections.abc import Mapping

from runner.router_log.traffic import step_of
from runner.top.look import Look, Row
from runner.top.machine import Machine

MIB = 1 << 20
NOON = 1_795_348_800.0
MACHINE = Machine(load=(0.42, 0.31, 0.25), processors=2, memory=1229 * MIB, memory_limit=3994 * MIB)


def row(name: str, **more: object) -> Row:
    """A container as the supervisor tells of it."""
    usual: dict[str, object] = {
        "name": name,
        "state": "up",
        "since": NOON - 200,
        "release": 7,
        "size": "standard-1x",
        "memory_bytes": 61 * MIB,
        "memory_limit": 512 * MIB,
        "cpu_seconds": 10.0,
        "processes": 4,
        "process_limit": 256,
        "restarts": 0,
    }
    return {**usual, **more}


def absent(name: str, state: str = "crashed", **more: object) -> Row:
    """A place without a container."""
    nothing = dict.fromkeys(("memory_bytes", "cpu_seconds", "processes"))
    return row(name, state=state, **{**nothing, **more})


def requests(milliseconds: float, count: int, errors: int = 0) -> Row:
    """So many requests that took so long."""
    return {"count": count, "errors": errors, "times": {str(step_of(milliseconds)): count}}


def look(
    *rows: Row,
    at: float = 0.0,
    traffic: Mapping[str, Row] | None = None,
    url: str = "http://localhost:5000",
    trouble: str = "",
) -> Look:
    return Look(
        at=at,
        clock=NOON + at,
        app="polls",
        release="v7",
        url=url,
        rows=rows,
        requests=traffic,
        machine=MACHINE,
        trouble=trouble,
    )
