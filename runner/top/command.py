"""What ``slug-run top`` does: one picture, or one after the other."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from buildpack.support.output import wants_color
from runner.app_option import opened_app
from runner.top.figures import Figure, Traffic, figures_of, total_traffic
from runner.top.look import Look, take_look
from runner.top.picture import View, page
from runner.top.spans import painted

ONCE = 1.0  # seconds between the two looks that one picture needs, at most


def watch_on(name: str, env: Mapping[str, str], *, interval: float, stream: TextIO) -> int:
    """At a terminal, until somebody quits; the exit code."""
    from runner.top.live import run_live

    return run_live(
        _taking(name, env),
        interval=interval,
        color=wants_color(stream, env),
        ascii_only=not _speaks_unicode(stream),
        keyboard=sys.stdin.fileno(),
        display=stream.fileno(),
    )


def watch_once(
    name: str,
    env: Mapping[str, str],
    *,
    interval: float,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """One picture, as text."""
    take = _taking(name, env)
    before = take()
    sleep(min(interval, ONCE))
    now = take()
    if as_json:
        return json.dumps(as_object(before, now), indent=2) + "\n"
    view = View(ascii_only=not _speaks_unicode(sys.stdout))
    columns = os.get_terminal_size(1).columns if sys.stdout.isatty() else None
    color = wants_color(sys.stdout, env)
    lines = page(before, now, view, columns)
    return "".join(f"{painted(line, columns, color=color).rstrip()}\n" for line in lines)


def as_object(before: Look, now: Look) -> Mapping[str, object]:
    """The picture for a program."""
    traffic = total_traffic(before, now)
    return {
        "app": now.app,
        "release": now.release or None,
        "url": now.url or None,
        "machine": {
            "load": list(now.machine.load),
            "processors": now.machine.processors,
            "memory_bytes": now.machine.memory,
            "memory_limit": now.machine.memory_limit,
        },
        "requests": _requests(traffic),
        "containers": [_container(each) for each in figures_of(before, now)],
    }


def _container(figure: Figure) -> Mapping[str, object]:
    return {
        "name": figure.name,
        "state": figure.state,
        "release": figure.release or None,
        "size": figure.size or None,
        "uptime_seconds": _rounded(figure.uptime),
        "cpu_percent": _rounded(figure.cpu),
        "memory_bytes": figure.memory,
        "memory_limit": figure.memory_limit,
        "processes": figure.processes,
        "restarts": figure.restarts,
        "requests": _requests(figure.traffic),
    }


def _requests(traffic: Traffic | None) -> Mapping[str, object] | None:
    if traffic is None:
        return None
    return {
        "per_second": _rounded(traffic.rate),
        "errors_per_second": _rounded(traffic.errors),
        "p50_ms": _rounded(traffic.p50),
        "p95_ms": _rounded(traffic.p95),
    }


def _rounded(found: float | None) -> float | None:
    return None if found is None else round(found, 3)


def _taking(name: str, env: Mapping[str, str]) -> Callable[[], Look]:
    def take() -> Look:
        # Opened anew each time: looks are taken in a thread, and an app may be renamed or gone.
        with opened_app(name, env) as opened:
            return take_look(opened, env)

    return take


def _speaks_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"
